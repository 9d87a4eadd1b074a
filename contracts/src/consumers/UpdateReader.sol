// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub, Round} from "../interfaces/IFeedHub.sol";
import {ReportCodec} from "../libraries/ReportCodec.sol";
import {Revert} from "../libraries/Revert.sol";

/// @title Feeds brought up to date and read in one transaction
/// @notice For consumers to compile in; `FeedVerifier` has the same as functions to call.
/// @dev The hub stores the report for everybody, after all checks of a push, order and jump among
///      them.
library UpdateReader {
    using ReportCodec for bytes;

    uint256 private constant MAX_FEEDS = 1024;

    /// @notice The stored round is older than wanted.
    error UpdateReader_Stale(uint256 index, uint256 seen_at, uint256 wanted_at);
    /// @notice More feeds than a hub can list.
    error UpdateReader_TooManyFeeds(uint256 seen, uint256 wanted);

    /// @notice Bring a report to the hub if it has news of the feed, and read the feed.
    /// @dev See `updateAndReadMany`.
    /// @param maxAge_s Largest age of the round, in seconds.
    function updateAndRead(IFeedHub hub, bytes calldata report, uint16 index, uint256 maxAge_s)
        internal
        returns (Round memory)
    {
        uint16[] memory one = new uint16[](1);
        one[0] = index;
        return updateAndReadMany(hub, report, one, maxAge_s)[0];
    }

    /// @notice Bring a report to the hub if it has news of any of the feeds, and read them.
    /// @dev It is submitted if it names a feed whose stored round is older. A genuine report of which
    ///      the hub stores nothing is no failure: someone else brought it first, or a newer one, or
    ///      one in between from which its step is too large, or its feeds are paused or its answers
    ///      out of bounds. What is stored then is read, and must be young enough: no push in front of
    ///      this call makes it revert as long as that holds. Does NOT establish that a round is the
    ///      report's, that the rounds are of one moment, nor anything about a report that is not
    ///      submitted: the hub checks it.
    /// @param indexes Any feeds, in any order, in the report or not; at most 1,024.
    /// @param maxAge_s Largest age of each round, in seconds.
    function updateAndReadMany(
        IFeedHub hub,
        bytes calldata report,
        uint16[] memory indexes,
        uint256 maxAge_s
    ) internal returns (Round[] memory rounds) {
        require(indexes.length <= MAX_FEEDS, UpdateReader_TooManyFeeds(indexes.length, MAX_FEEDS));
        _update(hub, report, indexes);
        uint256 earliest = maxAge_s < block.timestamp ? block.timestamp - maxAge_s : 0;
        rounds = new Round[](indexes.length);
        for (uint256 i = 0; i < rounds.length; ++i) {
            Round memory round = hub.read(indexes[i]);
            require(
                round.observedAt >= earliest,
                UpdateReader_Stale(indexes[i], round.observedAt, earliest)
            );
            rounds[i] = round;
        }
    }

    function _update(IFeedHub hub, bytes calldata report, uint16[] memory indexes) private {
        // What has not even the form of a report is refused by the hub, which says why.
        if (report.isFramed() && !_hasNews(hub, report, indexes)) return;
        try hub.submit(report) {}
        catch (bytes memory reason) {
            // It is genuine: what the hub has instead answers for itself, by its age.
            bool isGenuine = Revert.selectorOf(reason) == IFeedHub.FeedHub_NothingLanded.selector;
            if (!isGenuine) Revert.bubble(reason);
        }
    }

    /// @dev Whether a feed that the report names has an older round, or none to be read.
    function _hasNews(IFeedHub hub, bytes calldata report, uint16[] memory indexes)
        private
        view
        returns (bool)
    {
        uint256 observedAt = report.observedAt();
        for (uint256 i = 0; i < indexes.length; ++i) {
            if (report.names(indexes[i]) && _storedAt(hub, indexes[i]) < observedAt) return true;
        }
        return false;
    }

    /// @dev 0 if the feed cannot be read now; reading it afterwards says why.
    function _storedAt(IFeedHub hub, uint16 index) private view returns (uint256) {
        try hub.read(index) returns (Round memory round) {
            return round.observedAt;
        } catch {
            return 0;
        }
    }
}
