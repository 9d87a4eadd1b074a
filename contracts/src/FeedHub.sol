// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "./Governed.sol";
import {FeedInfo, FeedListing, HubConfig, IFeedHub, Round} from "./interfaces/IFeedHub.sol";
import {ISignerSet, SeatEntry} from "./interfaces/ISignerSet.sol";
import {HubTable, LimitsRow, SignerRow} from "./libraries/HubTable.sol";
import {Narrow} from "./libraries/Narrow.sol";
import {Quorum} from "./libraries/Quorum.sol";
import {Entry, ReportCodec} from "./libraries/ReportCodec.sol";
import {RoundStore} from "./libraries/RoundStore.sol";
import {Sstore2} from "./libraries/Sstore2.sol";
import {HubWord} from "./types/HubWord.sol";
import {Lane, Lanes} from "./types/Lane.sol";
import {Tier} from "./types/Tee.sol";

/// @title Feeds: reports of attested enclaves in, answers out; see `IFeedHub`
contract FeedHub is IFeedHub, Governed {
    using HubTable for bytes;
    using ReportCodec for bytes;
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
    }

    uint256 private constant MAX_SEATS = 32;
    uint256 private constant MAX_FEEDS = 1024;
    uint256 private constant MAX_DEFINITION_BYTES = 16_384;
    uint256 private constant MAX_DECIMALS = 18;
    uint256 private constant MAX_JUMP_LAPSE_S = 1 days;
    uint256 private constant MAX_AGE_S = 1 hours;
    uint256 private constant MAX_SKEW_S = 1 minutes;
    uint256 private constant PAUSE_S = 7 days;
    /// @dev First byte of what a feed id hashes: the version of the definitions.
    bytes1 private constant DEFINITION_VERSION = 0x01;

    uint8 private constant SKIPPED_PAUSED = 1;
    uint8 private constant SKIPPED_NOT_NEWER = 2;
    uint8 private constant SKIPPED_OUT_OF_BOUNDS = 3;
    uint8 private constant SKIPPED_JUMP = 4;

    ISignerSet private immutable _signerSet;
    uint256 private immutable _chainId;
    bytes32 private immutable _domainSeparator;

    HubWord private _word;
    uint8 private _minTier;
    bytes32 private _listRoot;
    Feed[] private _feeds;
    mapping(bytes32 feedId => uint256 indexPlusOne) private _indexOf;
    /// @dev Two lanes a slot, at fixed places: no hashing on the hot path.
    uint256[512] private _slots;

    constructor(
        address governance_,
        address guardian_,
        uint256 minDelay_s,
        ISignerSet signerSet_,
        HubConfig memory config_
    ) Governed(governance_, guardian_, minDelay_s) {
        require(address(signerSet_) != address(0), FeedHub_ZeroAddress());
        _signerSet = signerSet_;
        _chainId = block.chainid;
        _domainSeparator = ReportCodec.domainSeparator(address(this));
        _setConfig(config_);
    }

    /// @inheritdoc IFeedHub
    fallback(bytes calldata call) external returns (bytes memory) {
        require(call.length == 0, FeedHub_NoFunction(msg.sig));
        return abi.encode(_word);
    }

    /// @inheritdoc IFeedHub
    function submit(bytes calldata report) external {
        // 1. Structure.
        HubWord word = _word;
        bytes memory entries = report.decode(word.m());
        // 2. A table is in force, for the report's list of feeds.
        require(word.isLive(), FeedHub_NotLive());
        require(block.timestamp >= word.pausedUntil(), FeedHub_Paused(word.pausedUntil()));
        uint256 feeds = _feedsNeeded(entries, word.feeds());
        bytes memory rows = Sstore2.read(word.table(), HubTable.size(word.positions(), feeds));
        bytes32 root = rows.listRootOf(word.positions());
        require(report.listRoot() == root, FeedHub_ListRoot(report.listRoot(), root));
        // 3. Origin: m seats, d vendors.
        uint256 observedAt = report.observedAt();
        bytes32 digest = ReportCodec.digest(observedAt, root, entries, domainSeparator());
        uint256 weakestTier = Quorum.verify(report, entries, digest, rows, word);
        // 4. Time: neither from the future nor older than the window.
        unchecked {
            uint256 earliest = block.timestamp - word.maxAge_s();
            require(observedAt >= earliest, FeedHub_ReportTooOld(observedAt, earliest));
            uint256 latest = block.timestamp + word.skew_s();
            require(observedAt <= latest, FeedHub_ReportFromTheFuture(observedAt, latest));
        }
        // 5. Order, bounds and jump, feed by feed; effect.
        uint256 limits = rows.limitsFrom(word.positions());
        uint256 stamp = Lanes.stamp(observedAt, weakestTier);
        (uint256 at_, uint256 next) = _slots.store(entries.start(), entries.end(), 0, limits, stamp);
        if (at_ != entries.end()) _storeRest(entries, at_, next, limits, stamp);
        emit ReportAccepted(
            Narrow.u32(observedAt), msg.sender, Narrow.u64(report.mask(entries)), entries
        );
    }

    /// @inheritdoc IFeedHub
    function rebuild() external returns (address table_) {
        // A revocation must be able to stop this hub.
        require(_signerSet.isHub(address(this)), FeedHub_NotAdded(address(_signerSet)));
        SignerRow[] memory signers = _signerRows();
        LimitsRow[] memory limits = _limitsRows();
        bytes memory rows = HubTable.encode(signers, limits, _listRoot);
        HubWord word = _word;
        table_ = word.table();
        bool isSame = table_ != address(0) && table_.codehash == Sstore2.codeHash(rows);
        bool hasPauses = _hasFeedPauses();
        require(
            !isSame || !word.isLive() || word.hasFeedPauses() != hasPauses,
            FeedHub_NothingToRebuild()
        );
        if (!isSame) table_ = Sstore2.write(rows);
        uint256 seats = signers.length / 2;
        _word = word.withTable(table_, seats, limits.length).withFeedPauses(hasPauses);
        emit TableRebuilt(table_, _listRoot, Narrow.u8(seats), Narrow.u16(limits.length));
    }

    /// @inheritdoc IFeedHub
    function clear() external {
        require(
            msg.sender == address(_signerSet), FeedHub_NotSignerSet(msg.sender, address(_signerSet))
        );
        _clear();
    }

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
        _putLane(index, Lane.wrap(Lanes.LISTED));
        _listRoot = keccak256(abi.encode(_listRoot, feedId));
        emit FeedListed(
            index,
            feedId,
            listing.decimals,
            listing.definition,
            listing.minAnswer,
            listing.maxAnswer,
            listing.jumpBps,
            listing.jumpLapse_s
        );
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
        emit FeedLimitsChanged(index, minAnswer, maxAnswer, jumpBps, jumpLapse_s);
        _clear();
    }

    /// @inheritdoc IFeedHub
    function setConfig(HubConfig calldata config_) external onlySelf {
        _setConfig(config_);
        _clear();
    }

    /// @inheritdoc IFeedHub
    function pauseFeed(uint16 index) external onlyGuardian {
        Feed storage feed = _feed(index);
        uint256 until = _pauseEnd(feed.pausedUntil);
        feed.pausedUntil = Narrow.u40(until);
        _putLane(index, _lane(index).withPaused(true));
        _word = _word.withFeedPauses(true);
        emit FeedPauseChanged(index, until, msg.sender);
    }

    /// @inheritdoc IFeedHub
    function unpauseFeed(uint16 index) external onlyGovernance {
        Feed storage feed = _feed(index);
        require(block.timestamp < feed.pausedUntil, FeedHub_NotPaused());
        feed.pausedUntil = Narrow.u40(block.timestamp);
        _putLane(index, _lane(index).withPaused(false));
        emit FeedPauseChanged(index, block.timestamp, msg.sender);
    }

    /// @inheritdoc IFeedHub
    function pauseAll() external onlyGuardian {
        uint256 until = _pauseEnd(_word.pausedUntil());
        _word = _word.withPausedUntil(until);
        emit PauseChanged(until, msg.sender);
    }

    /// @inheritdoc IFeedHub
    function unpauseAll() external onlyGovernance {
        require(block.timestamp < _word.pausedUntil(), FeedHub_NotPaused());
        _word = _word.withPausedUntil(block.timestamp);
        emit PauseChanged(block.timestamp, msg.sender);
    }

    /// @inheritdoc IFeedHub
    function read(uint16 index) external view returns (Round memory) {
        Lane lane = index < MAX_FEEDS ? _lane(index) : Lane.wrap(0);
        if (!lane.isListed()) revert FeedHub_UnlistedFeed(index, _feeds.length);
        if (lane.isPaused()) {
            uint256 until = _feeds[index].pausedUntil;
            require(block.timestamp >= until, FeedHub_FeedPaused(index, until));
            lane = lane.withPaused(false);
        }
        uint32 observedAt = lane.observedAt();
        require(observedAt != 0, FeedHub_NeverWritten(index));
        return Round({
            answer: lane.value(),
            observedAt: observedAt,
            dispersion: lane.dispersion(),
            sources: lane.sources(),
            flags: lane.flags()
        });
    }

    /// @inheritdoc IFeedHub
    function feedIndex(bytes32 feedId) external view returns (uint16) {
        uint256 indexPlusOne = _indexOf[feedId];
        require(indexPlusOne != 0, FeedHub_UnknownFeed(feedId));
        return Narrow.u16(indexPlusOne - 1);
    }

    /// @inheritdoc IFeedHub
    function feedInfo(uint16 index) external view returns (FeedInfo memory) {
        Feed storage feed = _feed(index);
        return FeedInfo({
            feedId: feed.feedId,
            decimals: feed.decimals,
            minAnswer: feed.minAnswer,
            maxAnswer: feed.maxAnswer,
            jumpBps: feed.jumpBps,
            jumpLapse_s: feed.jumpLapse_s,
            pausedUntil: feed.pausedUntil
        });
    }

    /// @inheritdoc IFeedHub
    function feedIds() external view returns (bytes32[] memory ids) {
        ids = new bytes32[](_feeds.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            ids[i] = _feeds[i].feedId;
        }
    }

    /// @inheritdoc IFeedHub
    function listRoot() external view returns (bytes32) {
        return _listRoot;
    }

    /// @inheritdoc IFeedHub
    function config() external view returns (HubConfig memory) {
        HubWord word = _word;
        return HubConfig({
            m: Narrow.u8(word.m()),
            d: Narrow.u8(word.d()),
            minTier: _minTier,
            maxAge_s: Narrow.u32(word.maxAge_s()),
            skew_s: Narrow.u32(word.skew_s())
        });
    }

    /// @inheritdoc IFeedHub
    function isLive() external view returns (bool) {
        return _word.isLive();
    }

    /// @inheritdoc IFeedHub
    function pausedUntil() external view returns (uint256) {
        return _word.pausedUntil();
    }

    /// @inheritdoc IFeedHub
    function table() external view returns (address) {
        return _word.table();
    }

    /// @inheritdoc IFeedHub
    function signerSet() external view returns (ISignerSet) {
        return _signerSet;
    }

    /// @inheritdoc IFeedHub
    function verifyConfig() external view returns (HubWord) {
        return _word;
    }

    /// @inheritdoc IFeedHub
    function domainSeparator() public view returns (bytes32) {
        // After a fork of the chain the other branch has another domain.
        if (block.chainid == _chainId) return _domainSeparator;
        return ReportCodec.domainSeparator(address(this));
    }

    /// @dev Goes on where `RoundStore` first stopped. Reverts if no entry of the report passes.
    function _storeRest(
        bytes memory entries,
        uint256 at_,
        uint256 next,
        uint256 limits,
        uint256 stamp
    ) private {
        uint256 end = entries.end();
        bool isAnyStored = at_ != entries.start();
        while (at_ != end) {
            Entry entry = ReportCodec.entryAt(at_);
            if (_storeUnusual(entry, next, limits, stamp)) isAnyStored = true;
            uint256 from = ReportCodec.following(at_);
            (at_, next) = _slots.store(from, end, entry.index() + 1, limits, stamp);
            if (at_ != from) isAnyStored = true;
        }
        require(isAnyStored, FeedHub_NothingLanded());
    }

    /// @dev Takes an entry that `RoundStore` left; says whether it was stored after all.
    function _storeUnusual(Entry entry, uint256 next, uint256 limits, uint256 stamp)
        private
        returns (bool)
    {
        uint256 index = entry.index();
        if (index < next) revert FeedHub_EntryOrder(index, next - 1);
        require(entry.hubFlags() == 0, FeedHub_ReservedFlags(index, entry.hubFlags()));
        // An index beyond the list breaks the order further on.
        if (index >= MAX_FEEDS) revert FeedHub_UnlistedFeed(index, _feeds.length);
        uint8 reason = _refusal(entry, Lane.wrap(stamp), HubTable.limitsAt(limits, index));
        if (reason != 0) {
            emit FeedSkipped(Narrow.u16(index), reason);
            return false;
        }
        _putLane(index, Lanes.pack(entry.rawValue(), entry.quality(), stamp));
        return true;
    }

    function _clear() private {
        if (!_word.isLive()) return;
        _word = _word.withoutLive();
        emit TableCleared(msg.sender);
    }

    function _setConfig(HubConfig memory config_) private {
        (uint256 m, uint256 d) = (config_.m, config_.d);
        require(m != 0 && m <= MAX_SEATS && d != 0 && d <= m, FeedHub_BadQuorum(m, d));
        require(
            config_.minTier >= Tier.DIRECT && config_.minTier <= Tier.DEV,
            FeedHub_BadTier(config_.minTier)
        );
        (uint256 maxAge_s, uint256 skew_s) = (config_.maxAge_s, config_.skew_s);
        require(
            maxAge_s != 0 && maxAge_s <= MAX_AGE_S && skew_s <= MAX_SKEW_S,
            FeedHub_BadWindow(maxAge_s, skew_s)
        );
        _word = _word.withConfig(m, d, maxAge_s, skew_s);
        _minTier = config_.minTier;
        emit ConfigChanged(config_);
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

    function _putLane(uint256 index, Lane lane) private {
        _slots[index >> 1] = Lanes.into(_slots[index >> 1], index, lane);
    }

    /// @dev When a pause that begins now ends. Whoever is not governance has to leave a gap, as long as a
    ///      pause, after the one before, however that ended: the guardian alone cannot prolong.
    /// @param before When the last pause ends or ended; 0 if there was none.
    function _pauseEnd(uint256 before) private view returns (uint256) {
        bool mayBegin =
            before == 0 || block.timestamp >= before + PAUSE_S || msg.sender == governance();
        require(mayBegin, FeedHub_PauseTooSoon(block.timestamp, before + PAUSE_S));
        return block.timestamp + PAUSE_S;
    }

    /// @dev Why an entry cannot be stored: one of the `SKIPPED_` reasons, or 0.
    function _refusal(Entry entry, Lane stamp, LimitsRow limits) private view returns (uint8) {
        Lane stored = _lane(entry.index());
        uint256 observedAt = stamp.observedAt();
        if (stored.isPaused() && block.timestamp < _feeds[entry.index()].pausedUntil) {
            return SKIPPED_PAUSED;
        }
        if (observedAt <= stored.observedAt()) return SKIPPED_NOT_NEWER;
        if (!limits.isInBounds(entry.rawValue())) return SKIPPED_OUT_OF_BOUNDS;
        return limits.isJump(stored, entry.rawValue(), observedAt) ? SKIPPED_JUMP : 0;
    }

    /// @dev How many feeds of the table a report needs: as the order ascends, up to its last entry.
    function _feedsNeeded(bytes memory entries, uint256 listed) private pure returns (uint256) {
        uint256 last = entries.lastEntry().index();
        require(last < listed, FeedHub_UnlistedFeed(last, listed));
        unchecked {
            return last + 1;
        }
    }

    function _lane(uint256 index) private view returns (Lane) {
        return Lanes.from(_slots[index >> 1], index);
    }

    function _feed(uint16 index) private view returns (Feed storage) {
        require(index < _feeds.length, FeedHub_UnlistedFeed(index, _feeds.length));
        return _feeds[index];
    }

    function _signerRows() private view returns (SignerRow[] memory rows) {
        SeatEntry[] memory entries = _signerSet.entries();
        require(
            entries.length <= 2 * MAX_SEATS && entries.length % 2 == 0,
            FeedHub_BadSignerSet(entries.length, 2 * MAX_SEATS)
        );
        rows = new SignerRow[](entries.length);
        uint256 minTier = _minTier;
        for (uint256 i = 0; i < rows.length; ++i) {
            rows[i] = HubTable.signerRow(entries[i], minTier);
        }
    }

    function _hasFeedPauses() private view returns (bool) {
        for (uint256 i = 0; i < _feeds.length; ++i) {
            if (block.timestamp < _feeds[i].pausedUntil) return true;
        }
        return false;
    }

    function _limitsRows() private view returns (LimitsRow[] memory rows) {
        rows = new LimitsRow[](_feeds.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            Feed storage feed = _feeds[i];
            rows[i] =
                HubTable.limitsRow(feed.minAnswer, feed.maxAnswer, feed.jumpBps, feed.jumpLapse_s);
        }
    }
}
