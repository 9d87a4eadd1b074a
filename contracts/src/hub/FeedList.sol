// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FeedInfo, FeedListing, IFeedHub} from "../interfaces/IFeedHub.sol";
import {HubTable, LimitsRow} from "../libraries/HubTable.sol";
import {Narrow} from "../libraries/Narrow.sol";
import {RingStore} from "../libraries/RingStore.sol";
import {RoundStore} from "../libraries/RoundStore.sol";
import {Lane, Lanes} from "../types/Lane.sol";
import {HubState} from "./HubState.sol";

/// @title The feeds of a hub: what they are, within which limits, and whether paused; see `IFeedHub`
abstract contract FeedList is HubState {
    using RingStore for RingStore.Rings;
    using RoundStore for uint256[512];

    /// @dev One slot beside the id.
    struct Feed {
        bytes32 feedId;
        int64 minAnswer;
        int64 maxAnswer;
        uint16 jumpBps;
        uint32 jumpLapse_s;
        uint8 decimals;
        uint40 pausedUntil;
        uint16 historyRounds;
    }

    uint256 internal constant MAX_FEEDS = 1024;
    uint256 private constant MAX_DEFINITION_BYTES = 16_384;
    uint256 private constant MAX_DECIMALS = 18;
    uint256 private constant MAX_JUMP_LAPSE_S = 1 days;
    uint256 private constant MIN_HISTORY_ROUNDS = 2;
    /// @dev First byte of what a feed id hashes: the version of the definitions.
    bytes1 private constant DEFINITION_VERSION = 0x01;

    bytes32 private _root;
    Feed[] private _feeds;
    mapping(bytes32 feedId => uint256 indexPlusOne) private _indexOf;
    /// @dev Two lanes a slot, at fixed places: no hashing on the hot path.
    uint256[512] internal _slots;
    RingStore.Rings internal _rings;

    /// @inheritdoc IFeedHub
    function listFeed(FeedListing calldata listing) external onlySelf returns (uint16 index) {
        uint256 length = listing.definition.length;
        require(
            length != 0 && length <= MAX_DEFINITION_BYTES,
            FeedHub_DefinitionLength(length, MAX_DEFINITION_BYTES)
        );
        require(listing.decimals <= MAX_DECIMALS, FeedHub_Decimals(listing.decimals, MAX_DECIMALS));
        require(_feeds.length < MAX_FEEDS, FeedHub_TooManyFeeds(MAX_FEEDS));
        bytes32 feedId =
            keccak256(abi.encodePacked(DEFINITION_VERSION, listing.decimals, listing.definition));
        uint256 listed = _indexOf[feedId];
        if (listed != 0) revert FeedHub_AlreadyListed(feedId, Narrow.u16(listed - 1));

        index = Narrow.u16(_feeds.length);
        _indexOf[feedId] = uint256(index) + 1;
        Feed storage feed = _feeds.push();
        feed.feedId = feedId;
        feed.decimals = listing.decimals;
        _setLimits(feed, listing.minAnswer, listing.maxAnswer, listing.jumpBps, listing.jumpLapse_s);
        _setHistory(index, feed, listing.historyRounds);
        _putLane(index, Lane.wrap(Lanes.LISTED));
        _root = keccak256(abi.encode(_root, feedId));
        _emitListed(index, feedId, listing);
    }

    /// @inheritdoc IFeedHub
    function setFeedLimits(
        uint16 index,
        int64 minAnswer,
        int64 maxAnswer,
        uint16 jumpBps,
        uint32 jumpLapse_s
    ) external onlySelf {
        _setLimits(_feed(index), minAnswer, maxAnswer, jumpBps, jumpLapse_s);
        Lane lane = _slots.laneAt(index);
        bool isOutside = lane.value() < minAnswer || lane.value() > maxAnswer;
        if (isOutside && lane.observedAt() != 0) _watch(index);
        emit FeedLimitsChanged(index, minAnswer, maxAnswer, jumpBps, jumpLapse_s);
        _clear();
    }

    /// @inheritdoc IFeedHub
    function pauseFeed(uint16 index) external onlyGuardian {
        Feed storage feed = _feed(index);
        uint256 until = _pauseEnd(feed.pausedUntil);
        feed.pausedUntil = Narrow.u40(until);
        _watch(index);
        _setWord(_word().withFeedPauses(true));
        emit FeedPauseChanged(index, until, msg.sender);
    }

    /// @inheritdoc IFeedHub
    function unpauseFeed(uint16 index) external onlyGovernance {
        Feed storage feed = _feed(index);
        require(block.timestamp < feed.pausedUntil, FeedHub_NotPaused());
        feed.pausedUntil = Narrow.u40(block.timestamp);
        emit FeedPauseChanged(index, block.timestamp, msg.sender);
    }

    /// @inheritdoc IFeedHub
    function feedIndex(bytes32 feedId) external view returns (uint16) {
        uint256 indexPlusOne = _indexOf[feedId];
        require(indexPlusOne != 0, FeedHub_UnknownFeed(feedId));
        return Narrow.u16(indexPlusOne - 1);
    }

    /// @inheritdoc IFeedHub
    function feedIds() external view returns (bytes32[] memory ids) {
        ids = new bytes32[](_feeds.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            ids[i] = _feeds[i].feedId;
        }
    }

    /// @inheritdoc IFeedHub
    function feedInfo(uint16 index) public view returns (FeedInfo memory) {
        Feed storage feed = _feed(index);
        return FeedInfo({
            feedId: feed.feedId,
            decimals: feed.decimals,
            minAnswer: feed.minAnswer,
            maxAnswer: feed.maxAnswer,
            jumpBps: feed.jumpBps,
            jumpLapse_s: feed.jumpLapse_s,
            pausedUntil: feed.pausedUntil,
            historyRounds: feed.historyRounds
        });
    }

    /// @inheritdoc IFeedHub
    function listRoot() public view returns (bytes32) {
        return _root;
    }

    function _putLane(uint256 index, Lane lane) internal {
        _slots.putLane(index, lane);
    }

    function _feedCount() internal view returns (uint256) {
        return _feeds.length;
    }

    /// @param index Listed.
    function _isFeedPaused(uint256 index) internal view returns (bool) {
        return block.timestamp < _feeds[index].pausedUntil;
    }

    /// @dev Refuses a round of a feed that is paused, and one outside the bounds as they are now.
    /// @param lane The round.
    function _requireReadable(uint16 index, Lane lane) internal view {
        Feed storage feed = _feed(index);
        uint256 until = feed.pausedUntil;
        require(block.timestamp >= until, FeedHub_FeedPaused(index, until));
        require(lane.observedAt() != 0, FeedHub_NeverWritten(index));
        (int64 answer, int64 min, int64 max) = (lane.value(), feed.minAnswer, feed.maxAnswer);
        require(answer >= min && answer <= max, FeedHub_OutOfBounds(index, answer, min, max));
    }

    function _hasFeedPauses() internal view returns (bool) {
        for (uint256 i = 0; i < _feeds.length; ++i) {
            if (block.timestamp < _feeds[i].pausedUntil) return true;
        }
        return false;
    }

    function _limitsRows() internal view returns (LimitsRow[] memory rows) {
        rows = new LimitsRow[](_feeds.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            Feed storage feed = _feeds[i];
            rows[i] = HubTable.limitsRow(
                feed.minAnswer,
                feed.maxAnswer,
                feed.jumpBps,
                feed.jumpLapse_s,
                feed.historyRounds != 0
            );
        }
    }

    /// @dev Until the feed's next round, whoever reads this one asks `_requireReadable`.
    function _watch(uint256 index) private {
        _putLane(index, _slots.laneAt(index).withWatched(true));
    }

    function _setLimits(
        Feed storage feed,
        int64 minAnswer,
        int64 maxAnswer,
        uint16 jumpBps,
        uint32 jumpLapse_s
    ) private {
        require(minAnswer >= 1 && minAnswer <= maxAnswer, FeedHub_BadBounds(minAnswer, maxAnswer));
        require(
            jumpBps != 0 && jumpLapse_s != 0 && jumpLapse_s <= MAX_JUMP_LAPSE_S,
            FeedHub_BadJumpLimit(jumpBps, jumpLapse_s)
        );
        feed.minAnswer = minAnswer;
        feed.maxAnswer = maxAnswer;
        feed.jumpBps = jumpBps;
        feed.jumpLapse_s = jumpLapse_s;
    }

    function _setHistory(uint16 index, Feed storage feed, uint16 rounds) private {
        if (rounds == 0) return;
        require(
            rounds >= MIN_HISTORY_ROUNDS && rounds <= RingStore.MAX_ROUNDS,
            FeedHub_BadHistory(rounds, RingStore.MAX_ROUNDS)
        );
        feed.historyRounds = rounds;
        _rings.make(index, rounds, Lane.wrap(Lanes.LISTED));
    }

    function _emitListed(uint16 index, bytes32 feedId, FeedListing calldata listing) private {
        emit FeedListed(
            index,
            feedId,
            listing.decimals,
            listing.definition,
            listing.minAnswer,
            listing.maxAnswer,
            listing.jumpBps,
            listing.jumpLapse_s,
            listing.historyRounds
        );
    }

    function _feed(uint16 index) private view returns (Feed storage) {
        require(index < _feeds.length, FeedHub_UnlistedFeed(index, _feeds.length));
        return _feeds[index];
    }
}
