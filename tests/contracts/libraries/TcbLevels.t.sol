// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IntelJson} from "contracts/libraries/IntelJson.sol";
import {TcbLevels} from "contracts/libraries/TcbLevels.sol";
import {Test} from "../Vm.sol";

/// @notice The library behind external calls, so that reverts can be expected.
contract TcbLevelsCaller {
    /// @param held Levels that the table holds already.
    function parse(bytes memory json, bytes memory held)
        external
        pure
        returns (bytes memory table, bytes32 hash, uint256 next)
    {
        table = TcbLevels.allocate(TcbLevels.SVN_LEVEL);
        for (uint256 i; i < held.length; i += 32) {
            bytes32 word;
            assembly ("memory-safe") {
                word := mload(add(add(held, 32), i))
            }
            TcbLevels.put(table, i, word);
        }
        TcbLevels.setLength(table, held.length);
        (hash, next) = TcbLevels.parse(json, 0, table);
    }

    function root(bytes memory levels, uint256 size)
        external
        pure
        returns (bytes32 hash, bytes memory table)
    {
        table = bytes.concat(levels, bytes32(type(uint256).max));
        TcbLevels.setLength(table, levels.length);
        hash = TcbLevels.root(table, 0, size);
    }
}

contract TcbLevelsTest is Test {
    bytes private constant BEGIN = "\"tcbLevels\":[";
    bytes private constant DATE = "\"tcbDate\":\"2024-03-13T00:00:00Z\"";
    uint256 private constant AT = 1_710_288_000;

    TcbLevelsCaller private levels = new TcbLevelsCaller();

    function test_parse_ReadsEveryStatus() external view {
        string[7] memory names = [
            "UpToDate",
            "SWHardeningNeeded",
            "ConfigurationNeeded",
            "ConfigurationAndSWHardeningNeeded",
            "OutOfDate",
            "OutOfDateConfigurationNeeded",
            "Revoked"
        ];
        bytes memory json = BEGIN;
        bytes memory wanted;
        for (uint256 i; i < names.length; ++i) {
            bytes memory level = _level("7", names[i], "");
            json = bytes.concat(json, i == 0 ? bytes("") : bytes(","), level);
            wanted = bytes.concat(wanted, _packed(7, uint8(i + 1), 0));
        }
        json = bytes.concat(json, "]rest");
        (bytes memory table, bytes32 root, uint256 next) = levels.parse(json, "");
        assertEq(table, wanted, "table");
        assertEq(root, _root(wanted, 40), "root");
        assertEq(next, json.length - 4, "next");
    }

    function test_parse_RevertWhen_TheStatusIsNone() external {
        string[6] memory names = ["", "upToDate", "UpToDate ", "Unknown", "OutOfDat", "Revokedd"];
        for (uint256 i; i < names.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    TcbLevels.TcbLevels_Status.selector,
                    BEGIN.length + 18 + 13 + 20 + 15,
                    keccak256(bytes(names[i]))
                )
            );
            levels.parse(bytes.concat(BEGIN, _level("7", names[i], ""), "]"), "");
        }
        vm.expectPartialRevert(IntelJson.IntelJson_Text.selector);
        levels.parse(bytes.concat(BEGIN, _level("7", "UpTo\\Date", ""), "]"), "");
    }

    function test_parse_CommitsToTheAdvisoriesBetweenTheirBrackets() external view {
        string[5] memory lists = [
            "\"INTEL-SA-00615\"",
            "\"INTEL-SA-00615\",\"INTEL-SA-00657\"",
            "\"INTEL-DOC-1\"",
            "\"INTEL-SA-00615\",\"other\"",
            "\"\""
        ];
        for (uint256 i; i < lists.length; ++i) {
            (bytes memory table, bytes32 root,) = levels.parse(_listed(lists[i]), "");
            bytes memory wanted = _packed(7, 1, keccak256(bytes(lists[i])));
            assertEq(table, wanted, "table");
            assertEq(root, _root(wanted, 40), "root");
        }
        // An empty list and none are the same.
        (bytes memory none,,) = levels.parse(_listed(""), "");
        assertEq(none, _packed(7, 1, 0), "none");
    }

    function test_parse_RevertWhen_TheAdvisoriesAreNone() external {
        vm.expectPartialRevert(IntelJson.IntelJson_Text.selector);
        levels.parse(_listed("7"), "");
        vm.expectPartialRevert(IntelJson.IntelJson_Text.selector);
        levels.parse(_listed("\"INTEL-SA-00615\","), "");
        vm.expectPartialRevert(IntelJson.IntelJson_Token.selector);
        levels.parse(_listed("\"INTEL-SA-00615\"}"), "");
    }

    function test_parse_AddsToATableAndRootsTheNewAlone() external view {
        bytes memory held = bytes.concat(_packed(1, 2, "x"), _packed(3, 4, "y"));
        bytes memory json = bytes.concat(BEGIN, _level("65535", "OutOfDate", ""), "]");
        (bytes memory table, bytes32 root,) = levels.parse(json, held);
        bytes memory added = _packed(65_535, 5, 0);
        assertEq(table, bytes.concat(held, added), "table");
        assertEq(root, _root(added, 40), "root");
    }

    function test_parse_RevertWhen_ThereAreTooMany() external {
        bytes memory json = BEGIN;
        for (uint256 i; i < 64; ++i) {
            json = bytes.concat(json, i == 0 ? bytes("") : bytes(","), _level("7", "Revoked", ""));
        }
        (bytes memory table,,) = levels.parse(bytes.concat(json, "]"), "");
        assertEq(table.length, 64 * 40, "64");
        bytes memory more = bytes.concat(json, ",", _level("7", "Revoked", ""), "]");
        bytes memory reason = abi.encodeWithSelector(TcbLevels.TcbLevels_TooMany.selector, 64);
        vm.expectRevert(reason);
        levels.parse(more, "");
        // Together with those that the table holds.
        vm.expectRevert(reason);
        levels.parse(bytes.concat(json, "]"), _packed(1, 2, "x"));
    }

    function test_parse_RevertWhen_ALevelIsNone() external {
        bytes4 token = IntelJson.IntelJson_Token.selector;
        bytes4 number = IntelJson.IntelJson_Number.selector;
        _refuse("\"tcbLevels\":{", token);
        _refuse(bytes.concat(BEGIN, "]"), token);
        _refuse(bytes.concat(BEGIN, _level("65536", "Revoked", ""), "]"), number);
        _refuse(bytes.concat(BEGIN, _level("07", "Revoked", ""), "]"), number);
        _refuse(bytes.concat(BEGIN, _level("7", "Revoked", ",\"x\":1"), "]"), token);
        _refuse(bytes.concat(BEGIN, _level("7", "Revoked", ""), "}"), token);
        _refuse(bytes.concat(BEGIN, "{\"tcb\":{\"isvsvn\":7},\"tcbDate\":0"), token);
        _refuse(
            bytes.concat(BEGIN, "{\"tcb\":{\"isvsvn\":7},\"tcbDate\":\"2024-02-30T00:00:00Z\""),
            IntelJson.IntelJson_Time.selector
        );
    }

    /// @dev The chain from the end, and the table as it was.
    function testFuzz_root_ChainsFromTheEnd(bytes32 seed, uint256 count, bool isPlatform)
        external
        view
    {
        uint256 size = isPlatform ? 72 : 40;
        bytes memory table;
        for (uint256 i = bound(count, 0, 12); i > 0; --i) {
            bytes32 word = keccak256(abi.encode(seed, i));
            bytes memory level = bytes.concat(word, bytes8(word));
            table = bytes.concat(table, level, isPlatform ? bytes.concat(word) : bytes(""));
        }
        (bytes32 root, bytes memory after_) = levels.root(table, size);
        assertEq(root, _root(table, size), "root");
        assertEq(after_, table, "unchanged");
    }

    function _refuse(bytes memory json, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        levels.parse(json, "");
    }

    function _listed(string memory list) private pure returns (bytes memory) {
        bytes memory advisories = bytes.concat(",\"advisoryIDs\":[", bytes(list), "]");
        return bytes.concat(BEGIN, _level("7", "UpToDate", advisories), "]");
    }

    function _level(string memory svn, string memory status, bytes memory rest)
        private
        pure
        returns (bytes memory)
    {
        bytes memory head = bytes.concat("{\"tcb\":{\"isvsvn\":", bytes(svn), "},", DATE);
        return bytes.concat(head, ",\"tcbStatus\":\"", bytes(status), "\"", rest, "}");
    }

    function _packed(uint16 svn, uint8 status, bytes32 advisories)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(svn, status, uint40(AT), advisories);
    }

    function _root(bytes memory table, uint256 size) private pure returns (bytes32 hash) {
        for (uint256 end = table.length; end > 0; end -= size) {
            bytes memory level = new bytes(size);
            for (uint256 i; i < size; ++i) {
                level[i] = table[end - size + i];
            }
            hash = keccak256(bytes.concat(level, hash));
        }
    }
}
