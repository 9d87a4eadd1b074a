// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IntelJson} from "contracts/libraries/IntelJson.sol";
import {ParsedQeIdentity, QeIdentity} from "contracts/libraries/QeIdentity.sol";
import {CollateralFixture} from "../CollateralFixture.sol";

/// @notice The library behind an external call, so that reverts can be expected.
contract QeIdentityCaller {
    function parse(bytes memory json) external pure returns (ParsedQeIdentity memory) {
        return QeIdentity.parse(json);
    }
}

contract QeIdentityTest is CollateralFixture {
    QeIdentityCaller private identity = new QeIdentityCaller();
    bytes private text;

    function setUp() external {
        load();
        text = textOf(".documents.sgxQe");
    }

    function test_parse_ReadsWhatTheCodecReads() external view {
        string[2] memory names = [".documents.sgxQe", ".documents.tdxQe"];
        for (uint256 i; i < names.length; ++i) {
            ParsedQeIdentity memory qe = identity.parse(textOf(names[i]));
            assertEq(qe.tee, i + 1, "TEE");
            assertEq(qe.number, numberAt(string.concat(names[i], ".number")), "number");
            assertEq(qe.issuedAt, numberAt(string.concat(names[i], ".issuedAt")), "begin");
            assertEq(qe.nextUpdate, numberAt(string.concat(names[i], ".validUntil")), "end");
            assertEq(qe.identity, bytesAt(string.concat(names[i], ".identity")), "identity");
            assertEq(qe.levels, bytesAt(string.concat(names[i], ".levels")), "levels");
            bytes16 digest = QeIdentity.digest(qe.identity, qe.levelsRoot);
            assertEq(bytes32(digest), bytes32(halfAt(string.concat(names[i], ".digest"))), "digest");
        }
    }

    /// @dev Each field lands in its place of the 74 bytes, and nowhere else.
    function test_parse_PacksEachField() external view {
        bytes memory ill = replaced(text, "\"miscselect\":\"00000000", "\"miscselect\":\"A1B2C3D4");
        ill = replaced(ill, "\"miscselectMask\":\"FFFFFFFF", "\"miscselectMask\":\"0102f3F4");
        ill = replaced(ill, "\"attributes\":\"11", "\"attributes\":\"5E");
        ill = replaced(ill, "\"attributesMask\":\"FB", "\"attributesMask\":\"7d");
        ill = replaced(ill, "\"isvprodid\":1", "\"isvprodid\":65535");
        bytes memory wanted = bytes.concat(identity.parse(text).identity);
        bytes memory misc = hex"a1b2c3d40102f3f4";
        for (uint256 i; i < 8; ++i) {
            wanted[i] = misc[i];
        }
        (wanted[8], wanted[24], wanted[72], wanted[73]) = (0x5e, 0x7d, 0xff, 0xff);
        assertEq(identity.parse(ill).identity, wanted, "identity");
    }

    function test_parse_RevertWhen_AKeyIsAnotherOrMissing() external {
        bytes[12] memory keys = [
            bytes("{\"id\""),
            "\"version\":2",
            "\"issueDate\"",
            "\"nextUpdate\"",
            "\"tcbEvaluationDataNumber\"",
            "\"miscselect\"",
            "\"miscselectMask\"",
            "\"attributes\"",
            "\"attributesMask\"",
            "\"mrsigner\"",
            "\"isvprodid\"",
            "\"tcbLevels\""
        ];
        for (uint256 i; i < keys.length; ++i) {
            _refuse(
                replaced(text, keys[i], bytes.concat(" ", keys[i])),
                IntelJson.IntelJson_Token.selector
            );
        }
        // Other enclaves have identities, too: the QVE, for one.
        _refuse(replaced(text, "\"QE\"", "\"QVE\""), IntelJson.IntelJson_Token.selector);
        _refuse(replaced(text, "\"QE\"", "\"TD_QX\""), IntelJson.IntelJson_Token.selector);
    }

    function test_parse_RevertWhen_AValueIsNone() external {
        bytes4 digits = IntelJson.IntelJson_Hex.selector;
        string[6] memory keys = [
            "\"miscselect\":\"",
            "\"miscselectMask\":\"",
            "\"attributes\":\"",
            "\"attributesMask\":\"",
            "\"mrsigner\":\"",
            ""
        ];
        for (uint256 i; i < 5; ++i) {
            uint256 place = find(text, bytes(keys[i])) + bytes(keys[i]).length;
            bytes memory ill = text;
            ill[place] = "g";
            _refuse(ill, digits);
        }
        // The second half of MRSIGNER.
        bytes memory half = text;
        half[find(text, "\"mrsigner\":\"") + 12 + 63] = "G";
        _refuse(half, digits);
        bytes4 number = IntelJson.IntelJson_Number.selector;
        _refuse(replaced(text, "\"isvprodid\":1", "\"isvprodid\":65536"), number);
        _refuse(replaced(text, "Number\":18", "Number\":4294967296"), number);
        bytes4 time = IntelJson.IntelJson_Time.selector;
        _refuse(replaced(text, "issueDate\":\"2031", "issueDate\":\"1969"), time);
        _refuse(replaced(text, "nextUpdate\":\"2031", "nextUpdate\":\"203x"), time);
        _refuse(
            bytes.concat(text, " "),
            abi.encodeWithSelector(
                IntelJson.IntelJson_TrailingBytes.selector, text.length, text.length + 1
            )
        );
    }

    /// @dev An altered byte makes another identity, or none.
    function testFuzz_parse_AnAlteredByteIsRefusedOrRead(uint256 any, bytes1 by) external view {
        bytes memory ill = text;
        bytes32 before = keccak256(abi.encode(identity.parse(ill)));
        uint256 place = bound(any, 0, ill.length - 1);
        bytes1 old = ill[place];
        if (old == by) return;
        ill[place] = by;
        try identity.parse(ill) returns (ParsedQeIdentity memory qe) {
            bool isSaid = keccak256(abi.encode(qe)) != before;
            assertTrue(isSaid || (old ^ by) == 0x20, "reads the same");
        } catch (bytes memory reason) {
            assertTrue(reason.length >= 4, "with a reason");
        }
    }

    function _refuse(bytes memory ill, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        identity.parse(ill);
    }

    function _refuse(bytes memory ill, bytes memory reason) private {
        vm.expectRevert(reason);
        identity.parse(ill);
    }
}
