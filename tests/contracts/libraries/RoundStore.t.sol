// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RoundStore} from "contracts/libraries/RoundStore.sol";
import {Lane} from "contracts/types/Lane.sol";

import {Test} from "../Vm.sol";

contract RoundStoreTest is Test {
    using RoundStore for uint256[512];

    uint256[512] private _slots;
    /// @dev Where an index beyond the last would lead.
    uint256 private _behind = type(uint256).max;

    function testFuzz_putLane_ReplacesItsHalfOnly(uint256 slot, uint128 raw, uint16 index)
        external
    {
        index %= 1024;
        _slots[index / 2] = slot;
        _slots.putLane(index, Lane.wrap(raw));
        assertEq(Lane.unwrap(_slots.laneAt(index)), raw, "this half");
        uint256 other = index % 2 == 0 ? slot >> 128 : slot & type(uint128).max;
        assertEq(Lane.unwrap(_slots.laneAt(index ^ 1)), other, "the other half");
    }

    function testFuzz_laneAt_IsEmptyBeyondTheLast(uint16 index) external view {
        assertEq(Lane.unwrap(_slots.laneAt(1024)), 0, "the first beyond");
        if (index >= 1024) assertEq(Lane.unwrap(_slots.laneAt(index)), 0, "any beyond");
        assertEq(_behind, type(uint256).max, "is not empty");
    }
}
