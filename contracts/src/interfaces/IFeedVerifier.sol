// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Lane} from "../types/Lane.sol";
import {IFeedHub, Round} from "./IFeedHub.sol";

/// @title Reports of one hub, verified for whoever asks
/// @notice Without roles and without storage but for a transaction's. The refusals are those of the hub, of
///         `PullReader`, `VerifiedReport` and `UpdateReader`.
interface IFeedVerifier {
    /// @notice The hub is not a contract.
    error FeedVerifier_NoHub(address seen);
    /// @notice More feeds than a hub can list.
    error FeedVerifier_TooManyFeeds(uint256 seen, uint256 wanted);

    /// @notice What a report says of a feed, if the hub's quorum signed it. Stores nothing.
    /// @dev Checks signatures, seats, vendors, window, list, pauses and the bounds of every entry. Does NOT
    ///      establish that the answer is newer than the stored one, or near it.
    /// @param maxAge_s Largest age of the report, in seconds; the hub's own limit holds, too.
    function verify(bytes calldata report, uint16 index, uint256 maxAge_s)
        external
        view
        returns (Round memory);

    /// @notice The same in one word, for consumers to whom a round of five is dear.
    function verifyLane(bytes calldata report, uint16 index, uint256 maxAge_s)
        external
        view
        returns (Lane);

    /// @notice The same for several feeds of one report.
    /// @param indexes Any of the report's feeds, in any order; at most 1,024.
    function verifyMany(bytes calldata report, uint16[] calldata indexes, uint256 maxAge_s)
        external
        view
        returns (Round[] memory);

    /// @notice As `verifyLane`, and remembered until the transaction ends: the same report verifies again
    ///         for a fraction, for whichever consumer and of whichever feed.
    /// @dev What is remembered is that these very bytes, signatures included, passed for the hub's word as it
    ///      is: after a revocation, a rebuild or a pause they are verified again. Window, `maxAge_s` and
    ///      paused feeds are checked each time. Nobody else's call can make a report pass that `verify`
    ///      refuses. Establishes no more than `verify`. Not for static calls.
    function verifyCached(bytes calldata report, uint16 index, uint256 maxAge_s)
        external
        returns (Lane);

    /// @notice Submit a report if it has news of the feed, and read the feed.
    /// @dev See `updateAndReadMany`.
    /// @param maxAge_s Largest age of the round that is returned, in seconds.
    function updateAndRead(bytes calldata report, uint16 index, uint256 maxAge_s)
        external
        returns (Round memory);

    /// @notice Submit a report if it has news of any of the feeds, and read them all.
    /// @dev It is submitted if it names a feed whose stored round is older. A genuine report of which
    ///      the hub stores nothing is no failure, whether someone else was faster or the hub refuses
    ///      its entries: what is stored is read, and must be young enough. Does NOT establish that a
    ///      round is the report's, that the rounds are of one moment, nor anything about a report that
    ///      was not submitted.
    /// @param indexes Any feeds of the hub, in any order, in the report or not; at most 1,024.
    /// @param maxAge_s Largest age of each round, in seconds.
    /// @return In the order of `indexes`.
    function updateAndReadMany(bytes calldata report, uint16[] calldata indexes, uint256 maxAge_s)
        external
        returns (Round[] memory);

    /// @notice The hub whose reports these are.
    function hub() external view returns (IFeedHub);
}
