// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IntelJson} from "contracts/libraries/IntelJson.sol";
import {ParsedTcbInfo, TcbInfo} from "contracts/libraries/TcbInfo.sol";
import {TcbLevels} from "contracts/libraries/TcbLevels.sol";
import {CollateralFixture} from "../CollateralFixture.sol";

/// @notice The library behind an external call, so that reverts can be expected.
contract TcbInfoCaller {
    function parse(bytes memory json) external pure returns (ParsedTcbInfo memory) {
        return TcbInfo.parse(json);
    }
}

contract TcbInfoTest is CollateralFixture {
    bytes private constant ZERO = "{\"svn\":0}";

    TcbInfoCaller private tcb = new TcbInfoCaller();
    bytes private sgx;
    bytes private tdx;
    bytes32 private sgxRead;
    bytes32 private tdxRead;

    function setUp() external {
        load();
        sgx = textOf(".documents.sgxRich");
        tdx = textOf(".documents.tdxRich");
        sgxRead = keccak256(abi.encode(tcb.parse(sgx)));
        tdxRead = keccak256(abi.encode(tcb.parse(tdx)));
        delete json;
    }

    function test_parse_ReadsWhatTheCodecReads() external {
        load();
        string[4] memory names =
            [".documents.sgxTcb", ".documents.tdxTcb", ".documents.sgxRich", ".documents.tdxRich"];
        for (uint256 i; i < names.length; ++i) {
            _compare(names[i]);
        }
    }

    function test_parse_ReadsTheLongestAsTheCodecReadsThem() external {
        json = vm.readFile(LARGEST);
        _compare(".levels");
        _compare(".modules");
    }

    function test_digest_CommitsToEachPart() external pure {
        bytes16 one = TcbInfo.digest(0x0001, "modules", "levels");
        assertTrue(one != TcbInfo.digest(0x0000, "modules", "levels"), "PCE id");
        assertTrue(one != TcbInfo.digest(0x0001, "levels", "levels"), "modules");
        assertTrue(one != TcbInfo.digest(0x0001, "modules", "modules"), "levels");
    }

    function test_parse_TakesNoIdentitiesAndAnEmptyList() external view {
        ParsedTcbInfo memory whole = tcb.parse(tdx);
        uint256 begin = find(tdx, "\"tdxModuleIdentities\":");
        uint256 end = find(tdx, "\"tcbLevels\":[{\"tcb\":{\"sgx");
        bytes memory head = slice(tdx, 0, begin);
        bytes memory rest = slice(tdx, end, tdx.length);
        ParsedTcbInfo memory none = tcb.parse(bytes.concat(head, rest));
        ParsedTcbInfo memory empty =
            tcb.parse(bytes.concat(head, "\"tdxModuleIdentities\":[],", rest));
        assertEq(none.modules.length, TcbInfo.MODULE_HEAD + 1, "tdxModule alone");
        assertEq(none.modules, empty.modules, "the same");
        assertEq(none.modulesRoot, empty.modulesRoot, "the same");
        bytes memory last = slice(none.modules, 0, TcbInfo.MODULE_HEAD);
        assertEq(none.modulesRoot, keccak256(bytes.concat(last, new bytes(64))), "root");
        assertTrue(whole.modulesRoot != none.modulesRoot, "identities are committed to");
        assertEq(whole.levelsRoot, none.levelsRoot, "levels are the same");
    }

    function test_parse_RevertWhen_TwoModulesHaveOneId() external {
        _refuse(
            replaced(tdx, "TDX_01", "TDX_03"),
            abi.encodeWithSelector(TcbInfo.TcbInfo_DuplicateModule.selector, 3)
        );
        // 0 stands for tdxModule.
        _refuse(
            replaced(tdx, "TDX_01", "TDX_00"),
            abi.encodeWithSelector(TcbInfo.TcbInfo_DuplicateModule.selector, 0)
        );
        tcb.parse(replaced(tdx, "TDX_01", "TDX_FF"));
    }

    function test_parse_RevertWhen_ThereAreTooManyModules() external {
        bytes memory begin = "\"tdxModuleIdentities\":[";
        uint256 from = find(tdx, begin) + begin.length;
        bytes memory first = slice(tdx, from, find(tdx, "{\"id\":\"TDX_01\""));
        // Two are there; 0x10 to 0x1d make sixteen.
        bytes memory sixteen = tdx;
        for (uint256 i; i < 14; ++i) {
            bytes memory more =
                replaced(first, "TDX_03", bytes.concat("TDX_1", bytes("0123456789ABCD")[i]));
            sixteen = replaced(sixteen, begin, bytes.concat(begin, more));
        }
        tcb.parse(sixteen);
        bytes memory last = replaced(first, "TDX_03", "TDX_20");
        _refuse(
            replaced(sixteen, begin, bytes.concat(begin, last)),
            abi.encodeWithSelector(TcbInfo.TcbInfo_TooManyModules.selector, 16)
        );
    }

    function test_parse_RevertWhen_ThereAreTooManyLevels() external {
        bytes memory begin = "\"tcbLevels\":[";
        uint256 from = find(sgx, begin) + begin.length;
        bytes memory first = slice(sgx, from, find(sgx, "UpToDate\"},") + 11);
        bytes memory most = sgx;
        for (uint256 i = 7; i < 64; ++i) {
            most = replaced(most, begin, bytes.concat(begin, first));
        }
        assertEq(tcb.parse(most).levels.length, 64 * TcbInfo.PLATFORM_LEVEL, "64");
        _refuse(
            replaced(most, begin, bytes.concat(begin, first)),
            abi.encodeWithSelector(TcbLevels.TcbLevels_TooMany.selector, 64)
        );
    }

    function test_parse_RevertWhen_AKeyIsAnotherOrMissing() external {
        bytes[12] memory keys = [
            bytes("\"version\":3"),
            "\"issueDate\"",
            "\"nextUpdate\"",
            "\"fmspc\"",
            "\"pceId\"",
            "\"tcbType\":0",
            "\"tcbEvaluationDataNumber\"",
            "\"tcbLevels\"",
            "{\"tcb\":{\"sgxtcbcomponents\"",
            "\"pcesvn\"",
            "\"tcbDate\"",
            "\"tcbStatus\""
        ];
        for (uint256 i; i < keys.length; ++i) {
            _refuseToken(replaced(sgx, keys[i], bytes.concat(" ", keys[i])));
            bytes memory other = bytes.concat(keys[i]);
            other[2] ^= 0x20;
            _refuseToken(replaced(sgx, keys[i], other));
        }
        bytes[7] memory more = [
            bytes("\"tdxModule\""),
            "\"mrsigner\"",
            "\"attributes\"",
            "\"attributesMask\"",
            "\"tdxModuleIdentities\"",
            "\"id\":\"TDX_03\"",
            "\"tdxtcbcomponents\""
        ];
        for (uint256 i; i < more.length; ++i) {
            _refuseToken(replaced(tdx, more[i], bytes.concat(" ", more[i])));
        }
        _refuseToken(replaced(sgx, "{\"id\":\"SGX", "{\"id\":\"SGY"));
        // Modules belong to TDX, and TDX has them.
        _refuseToken(replaced(sgx, "\"SGX\"", "\"TDX\""));
        _refuseToken(replaced(tdx, "\"TDX\"", "\"SGX\""));
    }

    function test_parse_RevertWhen_AValueIsNone() external {
        bytes4 number = IntelJson.IntelJson_Number.selector;
        _refuse(replaced(sgx, "Number\":18", "Number\":4294967296"), number);
        _refuse(replaced(sgx, "Number\":18", "Number\":018"), number);
        _refuse(replaced(sgx, "\"pcesvn\":1013", "\"pcesvn\":65536"), number);
        _refuse(replaced(tdx, "\"isvsvn\":3", "\"isvsvn\":65536"), number);
        bytes4 time = IntelJson.IntelJson_Time.selector;
        _refuse(replaced(sgx, "issueDate\":\"2031-05", "issueDate\":\"2031-13"), time);
        _refuse(replaced(sgx, "nextUpdate\":\"2031-06", "nextUpdate\":\"2031-00"), time);
        _refuse(replaced(sgx, "tcbDate\":\"2031-05-31", "tcbDate\":\"2031-05-32"), time);
        bytes4 digits = IntelJson.IntelJson_Hex.selector;
        _refuse(replaced(sgx, "fmspc\":\"E0E0", "fmspc\":\"E0G0"), digits);
        _refuse(replaced(sgx, "pceId\":\"0000", "pceId\":\"00g0"), digits);
        _refuse(replaced(tdx, "\"mrsigner\":\"0", "\"mrsigner\":\"-"), digits);
        _refuse(replaced(tdx, "\"attributes\":\"0", "\"attributes\":\"x"), digits);
        _refuse(replaced(tdx, "\"attributesMask\":\"F", "\"attributesMask\":\"!"), digits);
        _refuse(replaced(tdx, "TDX_01", "TDX_0x"), digits);
    }

    /// @dev What `IntelScan` does not take is read again, one token after the other, which says why.
    function test_parse_RevertWhen_AComponentIsNone() external {
        bytes4 number = IntelJson.IntelJson_Number.selector;
        bytes4 token = IntelJson.IntelJson_Token.selector;
        bytes[6] memory wrong = [
            bytes("{\"svn\":256}"),
            "{\"svn\":00}",
            "{\"svn\":1000}",
            "{\"svn\":}",
            "{\"svn\":-1}",
            "{\"svn\":\"0\"}"
        ];
        for (uint256 i; i < wrong.length; ++i) {
            _refuse(replaced(sgx, ZERO, wrong[i]), number);
        }
        _refuse(replaced(sgx, ZERO, "{\"svm\":0}"), token);
        _refuse(replaced(sgx, ZERO, "{\"svn\":0 }"), token);
        _refuse(replaced(sgx, ZERO, "{\"svn\":0,\"type\":\"a\",\"category\":\"b\"}"), token);
        _refuse(
            replaced(sgx, "\"Early Micro", "\"Early\\nMicro"), IntelJson.IntelJson_Text.selector
        );
        // Fifteen and seventeen.
        _refuse(replaced(sgx, bytes.concat(ZERO, ","), ""), token);
        _refuse(replaced(sgx, ZERO, bytes.concat(ZERO, ",", ZERO)), token);
        // The last one.
        bytes memory last = bytes.concat(ZERO, "],\"pcesvn\"");
        _refuse(replaced(sgx, last, "{\"svn\":300}],\"pcesvn\""), number);
        _refuse(replaced(tdx, bytes.concat(ZERO, "]}"), "{\"svn\":0},]}"), token);
    }

    /// @dev A byte altered makes another document, or none; never one that reads the same.
    function testFuzz_parse_AnAlteredByteIsRefusedOrRead(uint256 any, bytes1 by) external view {
        bytes memory text = any % 2 == 0 ? sgx : tdx;
        uint256 place = bound(any / 2, 0, text.length - 1);
        if (text[place] == by) return;
        bytes1 old = text[place];
        text[place] = by;
        try tcb.parse(text) returns (ParsedTcbInfo memory info) {
            // But the case of a hexadecimal digit, and a component's label, which say nothing.
            bool isSaid = keccak256(abi.encode(info)) != (any % 2 == 0 ? sgxRead : tdxRead);
            assertTrue(isSaid || (old ^ by) == 0x20 || _isLabel(text, place), "reads the same");
        } catch (bytes memory reason) {
            assertTrue(reason.length >= 4, "with a reason");
        }
    }

    function _compare(string memory name) private view {
        ParsedTcbInfo memory info = tcb.parse(textOf(name));
        assertEq(info.tee, _number(name, ".tee"), "TEE");
        assertEq(info.number, _number(name, ".number"), "number");
        assertEq(info.issuedAt, _number(name, ".issuedAt"), "begin");
        assertEq(info.nextUpdate, _number(name, ".validUntil"), "end");
        assertEq(bytes.concat(info.fmspc), _bytes(name, ".fmspc"), "FMSPC");
        assertEq(bytes.concat(info.pceId), _bytes(name, ".pceId"), "PCE id");
        assertEq(info.levels, _bytes(name, ".levels"), "levels");
        assertEq(info.modules, _bytes(name, ".modules"), "modules");
        bytes16 digest = TcbInfo.digest(info.pceId, info.modulesRoot, info.levelsRoot);
        assertEq(bytes32(digest), bytes32(halfAt(string.concat(name, ".digest"))), "digest");
    }

    function _isLabel(bytes memory text, uint256 place) private pure returns (bool) {
        uint256 begin = find(text, ",\"category\":\"") + 13;
        return place >= begin && place < begin + 43;
    }

    function _refuseToken(bytes memory text) private {
        _refuse(text, IntelJson.IntelJson_Token.selector);
    }

    function _refuse(bytes memory text, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        tcb.parse(text);
    }

    function _refuse(bytes memory text, bytes memory reason) private {
        vm.expectRevert(reason);
        tcb.parse(text);
    }

    function _number(string memory d, string memory field) private view returns (uint256) {
        return numberAt(string.concat(d, field));
    }

    function _bytes(string memory d, string memory field) private view returns (bytes memory) {
        return bytesAt(string.concat(d, field));
    }
}
