// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    EvaluationNumbers,
    ParsedEvaluationNumbers
} from "contracts/libraries/EvaluationNumbers.sol";
import {IntelJson} from "contracts/libraries/IntelJson.sol";
import {TcbLevels} from "contracts/libraries/TcbLevels.sol";
import {CollateralFixture} from "../CollateralFixture.sol";

/// @notice The library behind an external call, so that reverts can be expected.
contract EvaluationNumbersCaller {
    function parse(bytes memory json) external pure returns (ParsedEvaluationNumbers memory) {
        return EvaluationNumbers.parse(json);
    }
}

/// @notice The parser; what a table says of a number is tested with the proofs (`TcbProof.t.sol`).
contract EvaluationNumbersTest is CollateralFixture {
    bytes private constant LIST = "\"tcbEvalNumbers\":[";
    bytes private constant ENTRY =
        "{\"tcbEvaluationDataNumber\":4294967295,\"tcbRecoveryEventDate\":\"1970-01-01T00:00:01Z\",\"tcbDate\":\"9999-12-31T23:59:59Z\"}";

    EvaluationNumbersCaller private numbers = new EvaluationNumbersCaller();
    bytes private text;

    function setUp() external {
        load();
        text = textOf(".documents.sgxNumbers");
    }

    function test_parse_ReadsWhatTheCodecReads() external view {
        string[2] memory names = [".documents.sgxNumbers", ".documents.tdxNumbers"];
        for (uint256 i; i < names.length; ++i) {
            ParsedEvaluationNumbers memory parsed = numbers.parse(textOf(names[i]));
            assertEq(parsed.tee, i + 1, "TEE");
            assertEq(parsed.issuedAt, numberAt(string.concat(names[i], ".issuedAt")), "begin");
            assertEq(parsed.nextUpdate, numberAt(string.concat(names[i], ".validUntil")), "end");
            assertEq(parsed.table, bytesAt(string.concat(names[i], ".entries")), "table");
            bytes16 digest = EvaluationNumbers.digest(parsed.table);
            assertEq(bytes32(digest), bytes32(halfAt(string.concat(names[i], ".digest"))), "digest");
        }
    }

    function test_parse_PacksAnEntryInFourteenBytes() external view {
        bytes memory table =
            numbers.parse(replaced(text, LIST, bytes.concat(LIST, ENTRY, ","))).table;
        assertEq(table.length, 3 * EvaluationNumbers.ENTRY, "one more");
        assertEq(slice(table, 0, 14), hex"ffffffff00000000013afff4417f", "the first");
        assertEq(slice(table, 14, 42), bytesAt(".documents.sgxNumbers.entries"), "the others");
    }

    function test_parse_RevertWhen_ThereAreTooManyOrNone() external {
        bytes memory most = text;
        for (uint256 i; i < 62; ++i) {
            most = replaced(most, LIST, bytes.concat(LIST, ENTRY, ","));
        }
        assertEq(numbers.parse(most).table.length, 64 * EvaluationNumbers.ENTRY, "64");
        vm.expectRevert(abi.encodeWithSelector(TcbLevels.TcbLevels_TooMany.selector, 64));
        numbers.parse(replaced(most, LIST, bytes.concat(LIST, ENTRY, ",")));
        uint256 begin = find(text, LIST) + LIST.length;
        _refuse(bytes.concat(slice(text, 0, begin), "]}"), IntelJson.IntelJson_Token.selector);
    }

    function test_parse_RevertWhen_AKeyIsAnotherOrMissing() external {
        bytes[8] memory keys = [
            bytes("{\"id\""),
            "\"version\":1",
            "\"issueDate\"",
            "\"nextUpdate\"",
            "\"tcbEvalNumbers\"",
            "\"tcbEvaluationDataNumber\"",
            "\"tcbRecoveryEventDate\"",
            "\"tcbDate\""
        ];
        for (uint256 i; i < keys.length; ++i) {
            _refuse(
                replaced(text, keys[i], bytes.concat(" ", keys[i])),
                IntelJson.IntelJson_Token.selector
            );
        }
        _refuse(replaced(text, "\"SGX\"", "\"SGZ\""), IntelJson.IntelJson_Token.selector);
    }

    function test_parse_RevertWhen_AValueIsNone() external {
        bytes4 time = IntelJson.IntelJson_Time.selector;
        _refuse(replaced(text, "issueDate\":\"2031", "issueDate\":\"1969"), time);
        _refuse(replaced(text, "nextUpdate\":\"2031", "nextUpdate\":\"203x"), time);
        _refuse(replaced(text, "EventDate\":\"2031", "EventDate\":\"20 1"), time);
        _refuse(replaced(text, "tcbDate\":\"2031-05", "tcbDate\":\"2031-99"), time);
        _refuse(
            replaced(text, "Number\":18", "Number\":4294967296"),
            IntelJson.IntelJson_Number.selector
        );
        _refuse(bytes.concat(text, "}"), IntelJson.IntelJson_TrailingBytes.selector);
    }

    /// @dev An altered byte makes other numbers, or none.
    function testFuzz_parse_AnAlteredByteIsRefusedOrRead(uint256 any, bytes1 by) external view {
        bytes memory ill = text;
        bytes32 before = keccak256(abi.encode(numbers.parse(ill)));
        uint256 place = bound(any, 0, ill.length - 1);
        if (ill[place] == by) return;
        ill[place] = by;
        try numbers.parse(ill) returns (ParsedEvaluationNumbers memory parsed) {
            assertTrue(keccak256(abi.encode(parsed)) != before, "reads the same");
        } catch (bytes memory reason) {
            assertTrue(reason.length >= 4, "with a reason");
        }
    }

    function _refuse(bytes memory ill, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        numbers.parse(ill);
    }
}
