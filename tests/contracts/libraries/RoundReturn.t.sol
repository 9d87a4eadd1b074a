// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Round} from "contracts/interfaces/IFeedHub.sol";
import {RoundReturn} from "contracts/libraries/RoundReturn.sol";
import {Lane} from "contracts/types/Lane.sol";

import {Test} from "../Vm.sol";

contract RoundReturnTest is Test {
    /// @dev Calls of their own, which the library ends.
    function round(Lane lane) external pure returns (Round memory) {
        return RoundReturn.round(lane);
    }

    function aggregatorRound(int256 answer, uint256 observedAt)
        external
        view
        returns (uint80, int256, uint256, uint256, uint80)
    {
        return RoundReturn.aggregatorRound(answer, observedAt);
    }

    function testFuzz_round_IsTheLaneAsRound(uint128 raw) external view {
        Lane lane = Lane.wrap(raw >> 1);
        Round memory wanted = Round({
            answer: lane.value(),
            observedAt: lane.observedAt(),
            dispersion: lane.dispersion(),
            sources: lane.sources(),
            flags: lane.flags()
        });
        (bool isDone, bytes memory seen) =
            address(this).staticcall(abi.encodeCall(this.round, (lane)));
        assertTrue(isDone, "returns");
        assertEq(seen, abi.encode(wanted), "Round");
    }

    function testFuzz_aggregatorRound_IsNeverUpdatedAfterTheBlock(
        int256 answer,
        uint32 observedAt,
        uint32 now_
    ) external {
        vm.warp(now_);
        uint256 moment = observedAt < now_ ? observedAt : now_;
        (bool isDone, bytes memory seen) =
            address(this).staticcall(abi.encodeCall(this.aggregatorRound, (answer, observedAt)));
        assertTrue(isDone, "returns");
        assertEq(seen, abi.encode(observedAt, answer, moment, moment, observedAt), "round data");
    }
}
