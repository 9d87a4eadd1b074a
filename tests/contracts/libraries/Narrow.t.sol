// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Narrow} from "contracts/libraries/Narrow.sol";

import {Test} from "../Vm.sol";

contract NarrowHarness {
    function u8(uint256 wide) external pure returns (uint256) {
        return Narrow.u8(wide);
    }

    function u16(uint256 wide) external pure returns (uint256) {
        return Narrow.u16(wide);
    }

    function u32(uint256 wide) external pure returns (uint256) {
        return Narrow.u32(wide);
    }

    function u40(uint256 wide) external pure returns (uint256) {
        return Narrow.u40(wide);
    }

    function u64(uint256 wide) external pure returns (uint256) {
        return Narrow.u64(wide);
    }

    function u128(uint256 wide) external pure returns (uint256) {
        return Narrow.u128(wide);
    }

    function positive(int256 signed) external pure returns (uint256) {
        return Narrow.positive(signed);
    }
}

contract NarrowTest is Test {
    NarrowHarness private narrow = new NarrowHarness();

    function testFuzz_narrow_KeepsWhatFits(uint256 wide) external view {
        assertEq(narrow.u8(wide & 0xFF), wide & 0xFF, "u8");
        assertEq(narrow.u16(wide & 0xFFFF), wide & 0xFFFF, "u16");
        assertEq(narrow.u32(wide & 0xFFFFFFFF), wide & 0xFFFFFFFF, "u32");
        assertEq(narrow.u40(wide & 0xFFFFFFFFFF), wide & 0xFFFFFFFFFF, "u40");
        assertEq(narrow.u64(wide & type(uint64).max), wide & type(uint64).max, "u64");
        assertEq(narrow.u128(wide & type(uint128).max), wide & type(uint128).max, "u128");
        assertEq(narrow.positive(int256(wide >> 1)), wide >> 1, "positive");
    }

    function test_narrow_RevertWhen_OneTooWide() external {
        _expectTooWide(type(uint8).max);
        narrow.u8(uint256(type(uint8).max) + 1);
        _expectTooWide(type(uint16).max);
        narrow.u16(uint256(type(uint16).max) + 1);
        _expectTooWide(type(uint32).max);
        narrow.u32(uint256(type(uint32).max) + 1);
        _expectTooWide(type(uint40).max);
        narrow.u40(uint256(type(uint40).max) + 1);
        _expectTooWide(type(uint64).max);
        narrow.u64(uint256(type(uint64).max) + 1);
        _expectTooWide(type(uint128).max);
        narrow.u128(uint256(type(uint128).max) + 1);
    }

    function test_positive_RevertWhen_Negative() external {
        vm.expectRevert(abi.encodeWithSelector(Narrow.Narrow_Negative.selector, int256(-1)));
        narrow.positive(-1);
    }

    function _expectTooWide(uint256 most) private {
        vm.expectRevert(abi.encodeWithSelector(Narrow.Narrow_TooWide.selector, most + 1, most));
    }
}
