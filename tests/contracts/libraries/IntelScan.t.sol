// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IntelJson} from "contracts/libraries/IntelJson.sol";
import {IntelScan} from "contracts/libraries/IntelScan.sol";
import {Test} from "../Vm.sol";

/// @notice The library behind external calls, with other bytes behind the text.
contract IntelScanCaller {
    function components(bytes memory json) external pure returns (uint256, uint256) {
        return IntelScan.components(json, 0);
    }

    function advisories(bytes memory json) external pure returns (uint256) {
        return IntelScan.advisories(json, 0);
    }

    function texts(bytes memory json) external pure returns (uint256) {
        return IntelJson.texts(json, 0);
    }
}

/// @notice Either list is read as it is, or left to who reads token by token.
contract IntelScanTest is Test {
    IntelScanCaller private scan = new IntelScanCaller();

    function test_components_ReadsEveryVersion() external view {
        for (uint256 version; version < 256; ++version) {
            bytes memory list;
            uint256 wanted;
            for (uint256 i; i < 16; ++i) {
                uint256 one = (version + 17 * i) % 256;
                list = bytes.concat(list, i == 0 ? bytes("") : bytes(","), _component(one, 0));
                wanted = wanted << 8 | one;
            }
            list = bytes.concat(list, "]");
            (uint256 versions, uint256 next) = scan.components(bytes.concat(list, ",0"));
            assertEq(versions, wanted, "versions");
            assertEq(next, list.length, "next");
        }
    }

    function testFuzz_components_ReadsVersionsAndPassesOverLabels(
        uint128 wanted,
        uint256 labels,
        bytes32 seed
    ) external view {
        bytes memory list;
        for (uint256 i; i < 16; ++i) {
            uint256 one = uint8(wanted >> (8 * (15 - i)));
            if (uint256(seed) >> (4 * i) & 3 == 0) {
                wanted &= ~(uint128(0xff) << uint128(8 * (15 - i)));
                one = 0;
            }
            bytes memory separator = i == 0 ? bytes("") : bytes(",");
            list = bytes.concat(list, separator, _component(one, uint8(labels >> (8 * i))));
        }
        list = bytes.concat(list, "]");
        (uint256 versions, uint256 next) = scan.components(list);
        assertEq(versions, wanted, "versions");
        assertEq(next, list.length, "next");
    }

    function test_components_LeavesWhatIsNotPlainlyRight() external view {
        bytes[16] memory wrong = [
            bytes("{\"svn\":256}"),
            "{\"svn\":999}",
            "{\"svn\":1000}",
            "{\"svn\":00}",
            "{\"svn\":01}",
            "{\"svn\":}",
            "{\"svn\":a}",
            "{\"svn\": 1}",
            "{\"svn\":1 }",
            "{\"svm\":1}",
            "{\"svn\":1,}",
            "{\"svn\":1,\"kind\":\"a\"}",
            "{\"svn\":1,\"category\":\"a\\b\"}",
            "{\"svn\":1,\"type\":\"a\x01b\"}",
            "{\"svn\":1,\"type\":\"b\",\"category\":\"a\"}",
            ""
        ];
        for (uint256 i; i < wrong.length; ++i) {
            _leave(_with(0, wrong[i], "]"));
            _leave(_with(7, wrong[i], "]"));
            _leave(_with(15, wrong[i], "]"));
        }
        _leave(_with(3, "{\"svn\":1,\"type\":\"\xc3\xa4\"}", "]"));
        _leave(_with(3, "{\"svn\":1,\"type\":\"\x7f\xff\"}", "]"));
        _leave(_with(0, "{\"svn\":1}", "}"));
        _leave(_with(0, "{\"svn\":1}", ",{\"svn\":1}]"));
        _leave(_with(0, "{\"svn\":1},{\"svn\":1}", "]"));
        _leave("]");
        (uint256 versions, uint256 next) = scan.components(_with(15, "{\"svn\":255}", "]"));
        assertEq(versions, 255, "and takes what is");
        assertTrue(next != 0, "and takes what is");
    }

    function testFuzz_advisories_PassesOverNumberedNames(uint256 count, uint256 seed)
        external
        view
    {
        bytes memory list;
        for (uint256 i = bound(count, 1, 40); i > 0; --i) {
            seed = uint256(keccak256(abi.encode(seed)));
            bytes memory digits = bytes(vm.toString(100_000 + seed % 100_000));
            digits[0] = "-";
            list = bytes.concat(list, "\"INTEL-SA", digits, i == 1 ? bytes("\"]") : bytes("\","));
        }
        assertEq(scan.advisories(bytes.concat(list, "}")), list.length, "next");
        assertEq(scan.texts(bytes.concat(list, "}")), list.length, "as read text by text");
    }

    function test_advisories_LeavesOtherNames() external view {
        bytes[10] memory wrong = [
            bytes("\"INTEL-SA-0061\"]"),
            "\"INTEL-SA-006150\"]",
            "\"INTEL-SA-0061x\"]",
            "\"INTEL-SA-0061/\"]",
            "\"INTEL-SA-0061:\"]",
            "\"INTEL-SB-00615\"]",
            "\"INTEL-SA-00615']",
            "\"INTEL-SA-00615\"}",
            "\"INTEL-SA-00615\",]",
            "]"
        ];
        for (uint256 i; i < wrong.length; ++i) {
            assertEq(scan.advisories(wrong[i]), 0, "left");
            bytes memory second = bytes.concat("\"INTEL-SA-00615\",", wrong[i]);
            assertEq(scan.advisories(second), 0, "left");
        }
        // Any byte above ASCII in the place of a digit, too.
        for (uint256 i = 0x80; i < 256; ++i) {
            bytes memory name = bytes.concat("\"INTEL-SA-0061", bytes1(uint8(i)), "\"]");
            assertEq(scan.advisories(name), 0, "left");
        }
    }

    function _leave(bytes memory list) private view {
        (, uint256 next) = scan.components(list);
        assertEq(next, 0, "left");
    }

    /// @dev Sixteen zeros, one of them replaced, and what follows.
    function _with(uint256 index, bytes memory component, bytes memory end)
        private
        pure
        returns (bytes memory list)
    {
        for (uint256 i; i < 16; ++i) {
            bytes memory one = i == index ? component : bytes("{\"svn\":0}");
            list = bytes.concat(list, i == 0 ? bytes("") : bytes(","), one);
        }
        return bytes.concat(list, end);
    }

    /// @dev With a category, a type, both or none, of a length that the rest of `labels` says.
    function _component(uint256 version, uint8 labels) private pure returns (bytes memory) {
        bytes memory text = new bytes(labels >> 2);
        for (uint256 i; i < text.length; ++i) {
            // Printable, but neither quote nor backslash.
            text[i] = bytes1(uint8(0x23 + (7 * i + labels) % 0x39));
        }
        bytes memory made = bytes.concat("{\"svn\":", bytes(vm.toString(version)));
        if (labels & 1 != 0) made = bytes.concat(made, ",\"category\":\"", text, "\"");
        if (labels & 2 != 0) made = bytes.concat(made, ",\"type\":\"", text, "\"");
        return bytes.concat(made, "}");
    }
}
