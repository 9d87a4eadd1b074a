// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub, Round} from "../interfaces/IFeedHub.sol";
import {HubTable, LimitsRow} from "../libraries/HubTable.sol";
import {Narrow} from "../libraries/Narrow.sol";
import {Entry, ReportCodec} from "../libraries/ReportCodec.sol";
import {RingStore} from "../libraries/RingStore.sol";
import {RoundReturn} from "../libraries/RoundReturn.sol";
import {RoundStore} from "../libraries/RoundStore.sol";
import {Lane, Lanes} from "../types/Lane.sol";
import {FeedList} from "./FeedList.sol";

/// @title The rounds of a hub's feeds: how entries become rounds, and who reads them; see `IFeedHub`
abstract contract FeedRounds is FeedList {
    using ReportCodec for bytes;
    using RingStore for RingStore.Rings;
    using RoundStore for uint256[512];

    uint8 private constant SKIPPED_PAUSED = 1;
    uint8 private constant SKIPPED_NOT_NEWER = 2;
    uint8 private constant SKIPPED_OUT_OF_BOUNDS = 3;
    uint8 private constant SKIPPED_JUMP = 4;

    /// @inheritdoc IFeedHub
    /// @dev Says `calldata` where the interface says `memory`, which is the same to callers: nothing is
    ///      made in memory that `RoundReturn` would not use.
    function read(uint16 index) external view returns (Round calldata) {
        Lane lane = _slots.laneAt(index);
        if (!lane.isReadable()) lane = _inspected(index, lane);
        return RoundReturn.round(lane);
    }

    /// @inheritdoc IFeedHub
    function readMany(uint16[] calldata indexes) external view returns (Round[] memory rounds) {
        uint256 count = indexes.length;
        require(count <= MAX_FEEDS, FeedHub_TooManyIndexes(count, MAX_FEEDS));
        rounds = new Round[](count);
        for (uint256 i = 0; i < count; ++i) {
            Lane lane = _slots.laneAt(indexes[i]);
            if (!lane.isReadable()) lane = _inspected(indexes[i], lane);
            rounds[i] = Round({
                answer: lane.value(),
                observedAt: lane.observedAt(),
                dispersion: lane.dispersion(),
                sources: lane.sources(),
                flags: lane.flags()
            });
        }
    }

    /// @inheritdoc IFeedHub
    function roundAt(uint16 index, uint32 observedAt) external view returns (Round calldata) {
        if (index >= _feedCount()) revert FeedHub_UnlistedFeed(index, _feedCount());
        Lane lane = _slots.laneAt(index);
        uint256 latest = lane.observedAt();
        if (observedAt != latest) lane = _rings.find(index, observedAt);
        if (observedAt == 0 || lane.observedAt() == 0) {
            revert FeedHub_UnknownRound(index, observedAt, latest);
        }
        return RoundReturn.round(_inspected(index, lane));
    }

    /// @dev Goes on where `RoundStore` first stopped. Reverts if no entry of the report passes.
    /// @param at_ Memory address of the entry at which it stopped.
    /// @param limits Memory address of the limits of feed 0.
    function _storeRest(bytes memory entries, uint256 at_, uint256 limits, uint256 stamp) internal {
        uint256 end = entries.end();
        bool isAnyStored = at_ != entries.start();
        unchecked {
            // The smallest index that keeps the order.
            uint256 next = isAnyStored ? _indexBefore(at_) + 1 : 0;
            while (at_ != end) {
                Entry entry = ReportCodec.entryAt(at_);
                if (_storeUnusual(entry, next, limits, stamp)) isAnyStored = true;
                uint256 from = ReportCodec.following(at_);
                at_ = _slots.store(from, end, entry.index() + 1, limits, stamp);
                if (at_ != from) isAnyStored = true;
                next = _indexBefore(at_) + 1;
            }
        }
        require(isAnyStored, FeedHub_NothingLanded());
    }

    /// @dev The lane of a feed that had to be looked at, if it may be read after all.
    function _inspected(uint16 index, Lane lane) internal view returns (Lane) {
        _requireReadable(index, lane);
        return lane.withWatched(false);
    }

    /// @dev Takes an entry that `RoundStore` left; says whether it was stored after all.
    /// @param next The smallest index that keeps the order.
    function _storeUnusual(Entry entry, uint256 next, uint256 limits, uint256 stamp)
        private
        returns (bool)
    {
        uint256 index = entry.index();
        if (index < next) revert FeedHub_EntryOrder(index, next - 1);
        require(entry.hubFlags() == 0, FeedHub_ReservedFlags(index, entry.hubFlags()));
        // An index beyond the list breaks the order further on.
        if (index >= MAX_FEEDS) revert FeedHub_UnlistedFeed(index, _feedCount());
        LimitsRow row = HubTable.limitsAt(limits, index);
        uint8 reason = _refusal(entry, Lane.wrap(stamp), row);
        if (reason != 0) {
            emit FeedSkipped(Narrow.u16(index), reason);
            return false;
        }
        Lane lane = Lanes.pack(entry.rawValue(), entry.quality(), stamp);
        _putLane(index, lane);
        if (row.keepsHistory()) _rings.put(index, lane);
        return true;
    }

    /// @dev The index of the entry before a memory address.
    function _indexBefore(uint256 at_) private pure returns (uint256) {
        unchecked {
            return ReportCodec.entryAt(at_ - ReportCodec.ENTRY_BYTES).index();
        }
    }

    /// @dev Why an entry cannot be stored: one of the `SKIPPED_` reasons, or 0.
    function _refusal(Entry entry, Lane stamp, LimitsRow limits) private view returns (uint8) {
        Lane stored = _slots.laneAt(entry.index());
        uint256 observedAt = stamp.observedAt();
        if (stored.isWatched() && _isFeedPaused(entry.index())) return SKIPPED_PAUSED;
        if (observedAt <= stored.observedAt()) return SKIPPED_NOT_NEWER;
        if (!limits.isInBounds(entry.rawValue())) return SKIPPED_OUT_OF_BOUNDS;
        if (!limits.isJump(stored, entry.rawValue(), observedAt)) return 0;
        // A round that nobody is served, as the bounds changed, is no measure for the next. Its lane is
        // watched: `RoundStore` leaves its entries to be asked here.
        return limits.isInBounds(stored.rawValue()) ? SKIPPED_JUMP : 0;
    }
}
