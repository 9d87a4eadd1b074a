// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Age} from "contracts/libraries/Age.sol";

import {Test} from "../Vm.sol";

contract AgeTest is Test {
    function testFuzz_isOver_WhenMoreSecondsHavePassed(uint32 now_, uint32 moment, uint32 maxAge_s)
        external
    {
        vm.warp(now_);
        int256 age_s = int256(uint256(now_)) - int256(uint256(moment));
        assertTrue(Age.isOver(moment, maxAge_s) == (age_s > int256(uint256(maxAge_s))), "isOver");
    }

    function testFuzz_notAhead_IsTheEarlierOfMomentAndBlock(uint32 now_, uint32 moment) external {
        vm.warp(now_);
        assertEq(Age.notAhead(moment), moment <= now_ ? moment : now_, "notAhead");
    }
}
