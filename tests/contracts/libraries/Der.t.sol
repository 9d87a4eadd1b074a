// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "contracts/libraries/Der.sol";
import {Test} from "../Vm.sol";

/// @notice The library behind external calls, so that reverts can be expected.
contract DerCaller {
    function element(bytes memory data, uint256 offset, uint256 end)
        external
        pure
        returns (uint8, uint256, uint256)
    {
        return Der.element(data, offset, end);
    }

    function expect(bytes memory data, uint8 tag) external pure returns (uint256, uint256) {
        return Der.expect(data, 0, data.length, tag);
    }

    function finish(uint256 offset, uint256 end) external pure {
        Der.finish(offset, end);
    }

    function constant_(bytes memory data, bytes32 wanted, uint256 size)
        external
        pure
        returns (uint256)
    {
        return Der.constant_(data, 0, data.length, wanted, size);
    }

    function integer(bytes memory data, uint256 size) external pure returns (uint256, uint256) {
        return Der.integer(data, 0, data.length, size);
    }

    function time(bytes memory data) external pure returns (uint64, uint256) {
        return Der.time(data, 0, data.length);
    }

    function shaOfZeros(uint256 size) external view returns (bytes32) {
        return Der.sha(new bytes(size), 0, size);
    }
}

contract DerTest is Test {
    DerCaller private der = new DerCaller();

    function test_element_ReadsEachFormOfLength() external view {
        uint256[6] memory lengths = [uint256(0), 1, 0x7f, 0x80, 0x100, 0xffff];
        bytes[6] memory heads =
            [bytes(hex"3000"), hex"3001", hex"307f", hex"308180", hex"30820100", hex"3082ffff"];
        for (uint256 i; i < lengths.length; ++i) {
            bytes memory data = bytes.concat(heads[i], new bytes(lengths[i]));
            (uint8 tag, uint256 start, uint256 next) = der.element(data, 0, data.length);
            assertEq(tag, 0x30, "tag");
            assertEq(start, heads[i].length, "start");
            assertEq(next, data.length, "next");
        }
    }

    function test_element_RevertWhen_LengthIsNotShortest() external {
        refuseLength(bytes.concat(hex"30817f", new bytes(0x7f)));
        refuseLength(bytes.concat(hex"308100"));
        refuseLength(bytes.concat(hex"308200ff", new bytes(0xff)));
        refuseLength(bytes.concat(hex"30820001", new bytes(1)));
    }

    function test_element_RevertWhen_LengthIsIndefiniteOrHuge() external {
        refuseLength(hex"30800000");
        refuseLength(bytes.concat(hex"3083010000", new bytes(0x10000)));
        refuseLength(hex"3084ffffffff");
        refuseLength(hex"30ff");
    }

    function test_element_RevertWhen_ItLeavesItsParent() external {
        bytes[5] memory cut = [bytes(""), hex"30", hex"3001", hex"308180", hex"30820100"];
        for (uint256 i; i < cut.length; ++i) {
            vm.expectPartialRevert(Der.Der_Truncated.selector);
            der.element(cut[i], 0, cut[i].length);
        }
        // Bytes after the parent do not count.
        vm.expectRevert(abi.encodeWithSelector(Der.Der_Truncated.selector, 3, 4));
        der.element(hex"30020000", 0, 3);
    }

    function testFuzz_element_StaysInsideItsParent(bytes memory data, uint256 any) external view {
        uint256 offset = bound(any, 0, data.length);
        try der.element(data, offset, data.length) returns (uint8, uint256 start, uint256 next) {
            assertTrue(start > offset && start <= next, "forward");
            assertLe(next, data.length, "inside");
        } catch (bytes memory reason) {
            assertTrue(reason.length > 3, "typed");
        }
    }

    function test_expect_RevertWhen_TagIsAnother() external {
        vm.expectRevert(abi.encodeWithSelector(Der.Der_Tag.selector, 0, 0x31, 0x30));
        der.expect(hex"3100", 0x30);
    }

    function test_expect_RevertWhen_ItLeavesItsParent() external {
        bytes[5] memory cut = [bytes(""), hex"30", hex"3001", hex"308180", hex"30820100"];
        for (uint256 i; i < cut.length; ++i) {
            vm.expectPartialRevert(Der.Der_Truncated.selector);
            der.expect(cut[i], 0x30);
        }
    }

    function test_expect_RevertWhen_LengthIsNotShortest() external {
        vm.expectRevert(abi.encodeWithSelector(Der.Der_Length.selector, 0));
        der.expect(bytes.concat(hex"30817f", new bytes(0x7f)), 0x30);
        vm.expectRevert(abi.encodeWithSelector(Der.Der_Length.selector, 0));
        der.expect(hex"30800000", 0x30);
    }

    /// @dev An element with that tag, or a refusal for the same reason.
    function testFuzz_expect_IsTheElement(uint8 wanted, uint8 length, bytes memory rest)
        external
        view
    {
        bytes memory data = bytes.concat(abi.encodePacked(wanted, length), rest);
        (bool isTaken, bytes memory seen) =
            address(der).staticcall(abi.encodeCall(der.expect, (data, wanted)));
        (bool isElement, bytes memory element) =
            address(der).staticcall(abi.encodeCall(der.element, (data, 0, data.length)));
        assertTrue(isTaken == isElement, "taken by one");
        if (isTaken) element = slice(element, 32);
        assertEq(seen, element, "read");
    }

    function test_finish_RevertWhen_BytesFollow() external {
        der.finish(5, 5);
        vm.expectRevert(abi.encodeWithSelector(Der.Der_TrailingBytes.selector, 4, 5));
        der.finish(4, 5);
    }

    function test_constant_RevertWhen_BytesDiffer() external {
        assertEq(der.constant_(hex"a00302010299", bytes32(bytes5(0xa003020102)), 5), 5, "next");
        vm.expectPartialRevert(Der.Der_Constant.selector);
        der.constant_(hex"a003020101", bytes32(bytes5(0xa003020102)), 5);
        vm.expectRevert(abi.encodeWithSelector(Der.Der_Truncated.selector, 4, 5));
        der.constant_(hex"a0030201", bytes32(bytes5(0xa003020102)), 5);
    }

    function test_integer_ReadsShortestForms() external view {
        check(hex"020100", 0);
        check(hex"02017f", 0x7f);
        check(hex"02020080", 0x80);
        check(hex"020200ff", 0xff);
        check(hex"02020100", 0x100);
        check(
            hex"022100ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            type(uint256).max
        );
    }

    function test_integer_RevertWhen_FormIsNotDer() external {
        refuseInteger(hex"0200", 32);
        refuseInteger(hex"020180", 32);
        refuseInteger(hex"0202007f", 32);
        refuseInteger(hex"02020000", 32);
        refuseInteger(hex"0202ffff", 32);
    }

    function test_integer_RevertWhen_ItIsTooLong() external {
        refuseInteger(hex"02020100", 1);
        refuseInteger(hex"0203010000", 2);
        refuseInteger(bytes.concat(hex"022101", new bytes(32)), 32);
    }

    function testFuzz_integer_ReadsWhatWasWritten(uint256 value) external view {
        check(encode(value), value);
    }

    function test_time_ReadsBothForms() external view {
        checkTime("700101000000Z", 0);
        checkTime("991231235959Z", 946_684_799);
        checkTime("000101000000Z", 946_684_800);
        checkTime("000229000000Z", 951_782_400);
        checkTime("240229120000Z", 1_709_208_000);
        checkTime("491231235959Z", 2_524_607_999);
        checkTime("20500101000000Z", 2_524_608_000);
        checkTime("21000301000000Z", 4_107_542_400);
        checkTime("99991231235959Z", 253_402_300_799);
    }

    function test_time_RevertWhen_ItIsNoDate() external {
        string[16] memory wrong = [
            "691231235959Z", // before the epoch
            "000001000000Z",
            "001301000000Z",
            "000100000000Z",
            "000132000000Z",
            "000431000000Z",
            "010229000000Z", // no leap year
            "000101240000Z",
            "000101006000Z",
            "000101000060Z",
            "0001010000000", // no zone
            "00010100000+Z",
            "0001010000 0Z",
            "20491231235959Z", // the short form is for this year
            "21000229000000Z", // no leap year
            "0001010000Z"
        ];
        for (uint256 i; i < wrong.length; ++i) {
            bytes memory data = encodeTime(wrong[i]);
            vm.expectRevert(abi.encodeWithSelector(Der.Der_Time.selector, 0));
            der.time(data);
        }
    }

    function test_time_RevertWhen_TheLongFormIsShorterOrLonger() external {
        bytes[3] memory wrong = [bytes("500101000000Z"), "20500101000000.0Z", "2050010100Z"];
        for (uint256 i; i < wrong.length; ++i) {
            bytes memory data = abi.encodePacked(hex"18", uint8(wrong[i].length), wrong[i]);
            vm.expectRevert(abi.encodeWithSelector(Der.Der_Time.selector, 0));
            der.time(data);
        }
    }

    function test_time_RevertWhen_ItLeavesItsParent() external {
        bytes[3] memory cut = [
            bytes(hex"170d303030313031303030303030"), hex"180f3230353030313031303030303030", hex"17"
        ];
        for (uint256 i; i < cut.length; ++i) {
            vm.expectPartialRevert(Der.Der_Truncated.selector);
            der.time(cut[i]);
        }
    }

    /// @dev Of a large input the 64th part of the gas, which a failed precompile leaves, is enough to go on.
    function test_sha_IsRightOrReverts_HoweverLittleGas() external view {
        uint256 size = 1 << 18;
        bytes32 wanted = sha256(new bytes(size));
        uint256 refused;
        for (uint256 gas_ = 150_000; gas_ < 400_000; gas_ += 5_000) {
            try der.shaOfZeros{gas: gas_}(size) returns (bytes32 digest) {
                assertEq(digest, wanted, "digest");
            } catch {
                ++refused;
            }
        }
        assertTrue(refused > 20 && refused < 50, "both happen");
    }

    function test_time_RevertWhen_ElementIsNoTime() external {
        vm.expectPartialRevert(Der.Der_Tag.selector);
        der.time(hex"0400");
    }

    function check(bytes memory data, uint256 wanted) private view {
        (uint256 value, uint256 next) = der.integer(data, 32);
        assertEq(value, wanted, "value");
        assertEq(next, data.length, "next");
    }

    function checkTime(string memory text, uint256 wanted) private view {
        (uint64 seconds_,) = der.time(encodeTime(text));
        assertEq(seconds_, wanted, text);
    }

    function refuseLength(bytes memory data) private {
        vm.expectRevert(abi.encodeWithSelector(Der.Der_Length.selector, 0));
        der.element(data, 0, data.length);
    }

    function refuseInteger(bytes memory data, uint256 size) private {
        vm.expectRevert(abi.encodeWithSelector(Der.Der_Integer.selector, 0));
        der.integer(data, size);
    }

    function encodeTime(string memory text) private pure returns (bytes memory) {
        uint8 length = uint8(bytes(text).length);
        return bytes.concat(abi.encodePacked(length == 15 ? 0x18 : 0x17, length), bytes(text));
    }

    function slice(bytes memory data, uint256 start) private pure returns (bytes memory part) {
        part = new bytes(data.length - start);
        for (uint256 i; i < part.length; ++i) {
            part[i] = data[start + i];
        }
    }

    function encode(uint256 value) private pure returns (bytes memory) {
        bytes memory digits = abi.encodePacked(uint8(0), value);
        uint256 skip;
        while (skip < 32 && digits[skip] == 0 && uint8(digits[skip + 1]) < 0x80) ++skip;
        bytes memory content = new bytes(33 - skip);
        for (uint256 i; i < content.length; ++i) {
            content[i] = digits[skip + i];
        }
        return bytes.concat(abi.encodePacked(uint8(2), uint8(content.length)), content);
    }
}
