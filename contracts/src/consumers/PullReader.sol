// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub, Round} from "../interfaces/IFeedHub.sol";
import {EntryCheck} from "../libraries/EntryCheck.sol";
import {HubReader} from "../libraries/HubReader.sol";
import {HubTable, LimitsRow} from "../libraries/HubTable.sol";
import {Narrow} from "../libraries/Narrow.sol";
import {PullCache} from "../libraries/PullCache.sol";
import {Quorum} from "../libraries/Quorum.sol";
import {Entry, ReportCodec} from "../libraries/ReportCodec.sol";
import {Sstore2} from "../libraries/Sstore2.sol";
import {Verified, VerifiedReport} from "../libraries/VerifiedReport.sol";
import {HubWord} from "../types/HubWord.sol";
import {Lane, Lanes} from "../types/Lane.sol";

/// @title Reports verified in the consumer's own transaction
/// @notice For consumers to compile in; `FeedVerifier` is the same as a contract of its own.
/// @dev Reads one word of the hub and the hub's table; while the word says that a feed may be paused,
///      it asks the hub about every entry's feed, too (`feedInfo`). Stores nothing that outlives the
///      transaction. Refuses with the hub's own errors what the hub would refuse. A report is not
///      consumed: it verifies again while it is young enough.
library PullReader {
    using HubTable for bytes;
    using ReportCodec for bytes;

    /// @notice An answer is outside its feed's bounds.
    error PullReader_OutOfBounds(uint256 index, int64 seen, uint256 min, uint256 max);

    /// @notice Verify a report by the rules of a hub, whole: one bad entry refuses all.
    /// @dev Numbered steps, the dearest last:
    ///      1. Structure, for the hub's m.
    ///      2. A table is in force and the hub is not paused; the report is for the table's list of
    ///         feeds.
    ///      3. Its moment is in the hub's window and at most `maxAge_s` ago.
    ///      4. Every entry is listed, in order, and within its feed's bounds.
    ///      5. No feed of it is paused.
    ///      6. m seats signed it, with d vendors among them.
    ///      Does NOT establish that it is newer than the stored rounds or than another report, nor
    ///      that its answers are near the stored ones.
    /// @param hub Whose seats must have signed; trusted by the consumer.
    /// @param maxAge_s Largest age the consumer takes, in seconds; the hub's own limit holds, too.
    function verify(IFeedHub hub, bytes calldata report, uint256 maxAge_s)
        internal
        view
        returns (Verified)
    {
        return _verify(hub, HubReader.word(hub), report, maxAge_s);
    }

    /// @notice The same, and remembered until the transaction ends: the same bytes verify again for
    ///         a fraction, as long as the hub's word is what it was.
    /// @dev Steps 1, 3 and 5 are taken each time, and 2 is in the word; 4 and 6 are remembered. See
    ///      `PullCache` for who can make it remember. Establishes no more than `verify` does: a
    ///      report that is remembered may be older than the stored rounds, or than another one that
    ///      is. The first time costs a little more than `verify`. Not for static calls.
    function verifyCached(IFeedHub hub, bytes calldata report, uint256 maxAge_s)
        internal
        returns (Verified verified)
    {
        HubWord word = HubReader.word(hub);
        bytes32 key = PullCache.keyOf(hub, word, report);
        uint256 stamp = PullCache.load(key);
        if (stamp == 0) {
            verified = _verify(hub, word, report, maxAge_s);
            PullCache.store(key, verified.stamp());
            return verified;
        }
        bytes memory entries = report.decode(word.m());
        _verifyTime(report.observedAt(), word, maxAge_s);
        if (word.hasFeedPauses()) _verifyUnpaused(hub, entries);
        return VerifiedReport.from(stamp, entries);
    }

    /// @notice What a verified report says of a feed; reverts if that is nothing.
    /// @dev `Verified.laneOf` is the same in one word.
    function roundOf(Verified verified, uint16 index) internal pure returns (Round memory) {
        Lane lane = verified.laneOf(index);
        return Round({
            answer: lane.value(),
            observedAt: lane.observedAt(),
            dispersion: lane.dispersion(),
            sources: lane.sources(),
            flags: lane.flags()
        });
    }

    /// @dev The steps of `verify`.
    function _verify(IFeedHub hub, HubWord word, bytes calldata report, uint256 maxAge_s)
        private
        view
        returns (Verified)
    {
        // 1. Structure.
        bytes memory entries = report.decode(word.m());
        // 2. In force, for this list.
        require(word.isLive(), IFeedHub.FeedHub_NotLive());
        require(block.timestamp >= word.pausedUntil(), IFeedHub.FeedHub_Paused(word.pausedUntil()));
        bytes memory rows = _table(word, entries);
        bytes32 root = rows.listRootOf(word.positions());
        require(report.listRoot() == root, IFeedHub.FeedHub_ListRoot(report.listRoot(), root));
        // 3. Time.
        _verifyTime(report.observedAt(), word, maxAge_s);
        // 4. Every entry.
        _verifyEntries(entries, rows.limitsFrom(word.positions()));
        // 5. Pauses.
        if (word.hasFeedPauses()) _verifyUnpaused(hub, entries);
        // 6. Origin.
        uint256 weakestTier = _weakestTier(hub, word, report, entries, rows);
        return VerifiedReport.from(Lanes.stamp(report.observedAt(), weakestTier), entries);
    }

    /// @dev The part of the table up to the report's last feed, which must be listed.
    function _table(HubWord word, bytes memory entries) private view returns (bytes memory) {
        uint256 last = entries.lastEntry().index();
        require(last < word.feeds(), IFeedHub.FeedHub_UnlistedFeed(last, word.feeds()));
        return Sstore2.read(word.table(), HubTable.size(word.positions(), last + 1));
    }

    /// @dev Of who signed; reverts if that is no quorum.
    function _weakestTier(
        IFeedHub hub,
        HubWord word,
        bytes calldata report,
        bytes memory entries,
        bytes memory rows
    ) private view returns (uint256) {
        bytes32 domain = ReportCodec.domainSeparator(address(hub));
        bytes32 digest = ReportCodec.digest(report.observedAt(), report.listRoot(), entries, domain);
        return Quorum.verify(report, entries, digest, rows, word);
    }

    function _verifyTime(uint256 observedAt, HubWord word, uint256 maxAge_s) private view {
        if (maxAge_s > word.maxAge_s()) maxAge_s = word.maxAge_s();
        uint256 earliest = block.timestamp - maxAge_s;
        require(observedAt >= earliest, IFeedHub.FeedHub_ReportTooOld(observedAt, earliest));
        uint256 latest = block.timestamp + word.skew_s();
        require(observedAt <= latest, IFeedHub.FeedHub_ReportFromTheFuture(observedAt, latest));
    }

    /// @param limits Memory address of the limits of feed 0.
    function _verifyEntries(bytes memory entries, uint256 limits) private pure {
        if (!EntryCheck.isPassed(entries.start(), entries.end(), limits)) _refuse(entries, limits);
    }

    /// @dev Says which entry did not pass, and why; the same questions, one by one.
    function _refuse(bytes memory entries, uint256 limits) private pure {
        uint256 last = entries.lastEntry().index();
        uint256 next = 0;
        for (uint256 at_ = entries.start(); at_ != entries.end(); at_ = ReportCodec.following(at_)) {
            Entry entry = ReportCodec.entryAt(at_);
            uint256 index = entry.index();
            if (index < next) revert IFeedHub.FeedHub_EntryOrder(index, next - 1);
            require(index <= last, IFeedHub.FeedHub_EntryOrder(last, index));
            require(entry.hubFlags() == 0, IFeedHub.FeedHub_ReservedFlags(index, entry.hubFlags()));
            LimitsRow row = HubTable.limitsAt(limits, index);
            // It is the last one's answer if nothing else is wrong: this always reverts.
            if (index == last || !row.isInBounds(entry.rawValue())) {
                int64 seen = Lanes.pack(entry.rawValue(), 0, 0).value();
                revert PullReader_OutOfBounds(index, seen, row.minAnswer(), row.maxAnswer());
            }
            next = index + 1;
        }
    }

    /// @dev Asks feed by feed; only while any is, or lately was, paused.
    function _verifyUnpaused(IFeedHub hub, bytes memory entries) private view {
        uint256 end = entries.end();
        for (uint256 at_ = entries.start(); at_ != end; at_ = ReportCodec.following(at_)) {
            uint16 index = Narrow.u16(ReportCodec.entryAt(at_).index());
            uint256 until = hub.feedInfo(index).pausedUntil;
            require(block.timestamp >= until, IFeedHub.FeedHub_FeedPaused(index, until));
        }
    }
}
