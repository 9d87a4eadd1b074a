// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Round} from "../interfaces/IFeedHub.sol";
import {Lane} from "../types/Lane.sol";

/// @title The end of a call that returns a round
/// @dev What the compiler would write, without a detour through structs in memory: readers pay for it with
///      every call. These functions do not come back; nothing after them runs.
library RoundReturn {
    /// @notice End the call with the round in a lane, as `Round`. Stored answers are positive.
    function round(Lane lane) internal pure returns (Round calldata it) {
        assembly {
            mstore(0x00, shr(64, lane))
            mstore(0x20, and(shr(32, lane), 0xFFFFFFFF))
            mstore(0x40, and(shr(16, lane), 0xFFFF))
            mstore(0x60, and(shr(8, lane), 0xFF))
            mstore(0x80, and(lane, 0xFF))
            // The compiler wants it set.
            it := 0
            return(0, 0xA0)
        }
    }

    /// @notice End the call with what `AggregatorV3Interface.latestRoundData` returns.
    /// @param observedAt The round's id, in which it was answered, too. It was started and updated then, or
    ///        now if that is earlier; see `Age.notAhead`.
    function aggregatorRound(int256 answer, uint256 observedAt)
        internal
        view
        returns (uint80, int256, uint256, uint256, uint80)
    {
        assembly {
            let isAhead := gt(observedAt, timestamp())
            let moment := xor(observedAt, mul(isAhead, xor(observedAt, timestamp())))
            mstore(0x00, observedAt)
            mstore(0x20, answer)
            mstore(0x40, moment)
            mstore(0x60, moment)
            mstore(0x80, observedAt)
            return(0, 0xA0)
        }
    }
}
