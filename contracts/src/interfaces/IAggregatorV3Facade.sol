// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorInterface} from "./AggregatorInterface.sol";
import {AggregatorV3Interface} from "./AggregatorV3Interface.sol";
import {IFeedHub} from "./IFeedHub.sol";

/// @title One feed of a hub, as an aggregator
/// @notice A consumer of the latest round that was written for Chainlink runs unchanged.
/// @dev The round id is the moment at which the sources gave the answer. `startedAt`, `updatedAt` and the
///      older getters' timestamps are the same moment, but never later than the block: the sources' clock
///      may run ahead of it by the hub's skew, and consumers subtract `updatedAt` from the block's time.
///
///      Where an aggregator would answer with zeros, this reverts: a feed that was never written or is
///      paused or out of bounds with the hub's own error, a latest round older than `maxAge_s` with `Stale`, and
///      with the hub's `UnknownRound` one after the latest, or before it that the feed does not keep: without a
///      history, any. That holds for all functions that return a round, an answer, a timestamp or a round id.
///      A former round that the feed keeps is served by its id, however old it and the latest are.
interface IAggregatorV3Facade is AggregatorV3Interface, AggregatorInterface {
    /// @notice A facade serves either a feed or whatever feed an alias points at: one of the two is zero.
    error AggregatorV3Facade_FeedOrAlias(bytes32 feedId, bytes32 aliasName);
    /// @notice The latest round is older than this facade serves.
    error AggregatorV3Facade_Stale(uint256 updatedAt, uint256 wanted_at);
    /// @notice There can be no such round: ids have 32 bits.
    error AggregatorV3Facade_UnknownRound(uint256 seen, uint256 wanted);

    /// @notice The hub that the answers come from.
    function hub() external view returns (IFeedHub);

    /// @notice The feed: fixed at construction, so that another definition would be another facade, or the one
    ///         that the alias points at now.
    function feedId() external view returns (bytes32);

    /// @notice The name that this facade follows; zero if it is pinned to a feed. `decimals` stay as they are
    ///         and round ids never go back when governance moves it, but the latest id may stay and its answer
    ///         become the new feed's; rounds before the latest are those of the feed that it points at now.
    function aliasName() external view returns (bytes32);

    /// @notice Age, in seconds, beyond which reading reverts; 0 leaves staleness to the consumer.
    function maxAge_s() external view returns (uint32);
}
