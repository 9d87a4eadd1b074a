// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "../interfaces/IFeedHub.sol";
import {HubWord} from "../types/HubWord.sol";

/// @title The two fields of a round that aggregators serve, without the cost of the others
library HubReader {
    /// @notice Answer and moment of a feed's latest round: `IFeedHub.read` or `readAlias`, less three fields.
    /// @dev Passes a revert of the hub on. Does NOT bound the round's age. Takes the words as they are:
    ///      `hub` must be a hub, which whoever deploys a reader decides. An address without code reverts
    ///      without a reason: refuse it at construction.
    /// @param selector Of one of the two functions.
    /// @param argument Its argument: an index or a name.
    /// @return answer In the feed's decimals.
    /// @return observedAt Seconds since the epoch.
    function read(IFeedHub hub, bytes4 selector, bytes32 argument)
        internal
        view
        returns (int256 answer, uint256 observedAt)
    {
        assembly ("memory-safe") {
            // Scratch space takes the call's 36 bytes, and after it the answer's first 64.
            mstore(0, selector)
            mstore(4, argument)
            let isDone := staticcall(gas(), hub, 0, 36, 0, 64)
            if iszero(and(isDone, gt(returndatasize(), 63))) {
                let reason := mload(64)
                returndatacopy(reason, 0, returndatasize())
                revert(reason, returndatasize())
            }
            answer := mload(0)
            observedAt := mload(32)
        }
    }

    /// @notice `IFeedHub.verifyConfig`, by a call without data.
    /// @dev `hub` must be a hub, as in `read`.
    function word(IFeedHub hub) internal view returns (HubWord config) {
        assembly ("memory-safe") {
            let isDone := staticcall(gas(), hub, 0, 0, 0, 32)
            if iszero(and(isDone, gt(returndatasize(), 31))) {
                let reason := mload(64)
                returndatacopy(reason, 0, returndatasize())
                revert(reason, returndatasize())
            }
            config := mload(0)
        }
    }
}
