// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorV3Interface} from "./AggregatorV3Interface.sol";
import {IFeedHub} from "./IFeedHub.sol";

/// @title One feed of a hub, as an aggregator
/// @notice A consumer of the latest round that was written for Chainlink runs unchanged.
/// @dev The round id, `startedAt` and `updatedAt` are all the moment at which the sources gave the
///      answer. It may lie ahead of the block by the hub's skew. A feed that was never written or is
///      paused reverts with the hub's own error.
interface IAggregatorV3Facade is AggregatorV3Interface {
    /// @notice The latest round is older than this facade serves.
    error AggregatorV3Facade_Stale(uint256 updatedAt, uint256 wanted_at);
    /// @notice The round is not the latest; others are not kept, and none is made up.
    error AggregatorV3Facade_UnknownRound(uint80 seen, uint80 wanted);

    /// @notice The hub that the answers come from.
    function hub() external view returns (IFeedHub);

    /// @notice The feed, fixed at construction: another definition would be another facade.
    function feedId() external view returns (bytes32);

    /// @notice Age, in seconds, beyond which reading reverts; 0 leaves staleness to the consumer.
    function maxAge_s() external view returns (uint32);
}
