// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FeedInfo, FeedListing, IFeedHub, Round} from "contracts/interfaces/IFeedHub.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";

import {Answer, FeedHubSetup} from "./FeedHubSetup.sol";

/// @notice Does to a hub what enclaves, submitters, the guardian and a hostile governance can do, at
///         random, and notes what it sees. Positions 0 to 9 have signers; signatures are genuine.
contract FeedHubHandler is FeedHubSetup {
    uint8 public constant M = 3;
    uint16 public constant FEEDS = 4;

    struct Accepted {
        bytes report;
        uint256 observedAt;
        uint64 mask;
    }

    Accepted[] private _accepted;
    mapping(uint256 position => bool isRevoked) private _isRevoked;
    uint256 private _feeds = FEEDS;

    /// @dev The last round that a submission left, by feed.
    mapping(uint16 index => Round round) private _last;

    /// @dev When the guardian's last pause ends, by feed, and of the whole hub at `FEEDS`.
    mapping(uint256 which => uint256 end) private _guardianPauseEnd;

    /// @dev Every round that a submission left, by feed, in order; and what it hashes to by its moment.
    mapping(uint16 index => uint32[] moments) private _moments;
    mapping(uint16 index => mapping(uint32 moment => bytes32 hash)) private _landedAs;

    /// @dev What each name served last, and with which decimals first.
    mapping(bytes32 name => uint256 moment) private _aliasMoment;
    mapping(bytes32 name => uint256 decimalsPlusOne) private _aliasDecimals;

    uint256 public aliasesGoneBack;
    uint256 public aliasDecimalsChanged;
    uint256 public aliasesMoved;
    uint256 public roundsGoneBack;
    uint256 public landedWhileCleared;
    uint256 public landedWhilePaused;
    uint256 public landedWithoutANewerRound;
    uint256 public landedWithRevoked;
    uint256 public landedWithOtherThanM;
    uint256 public landedWithSeatTwice;
    uint256 public landedOutsideWindow;
    uint256 public roundsWrittenByOthers;
    uint256 public guardianPausesProlonged;
    uint256 public landed;

    constructor() {
        _deploy(5, M, FEEDS);
        for (uint256 seat = 0; seat < 5; ++seat) {
            _seat(2 * seat + 1);
        }
        hub.rebuild();
    }

    function submit(uint256 seed, uint64 mask, uint256 feeds, uint256 shift) external {
        mask = seed % 3 == 0 ? mask & 0x3FF : _anyQuorum(seed);
        Answer[] memory answers = _answers(seed, 1 + feeds % 15);
        uint256 observedAt = block.timestamp + SKEW_S + 2 - shift % (MAX_AGE_S + SKEW_S + 4);
        _try(_report(observedAt, answers, mask), observedAt, mask);
    }

    function submitAgain(uint256 which) external {
        if (_accepted.length == 0) return;
        Accepted storage again = _accepted[which % _accepted.length];
        _try(again.report, again.observedAt, again.mask);
    }

    function revoke(uint256 position) external {
        position %= 10;
        // Some must be left, or nothing happens any more.
        if (position < 6) return;
        _isRevoked[position] = true;
        registry.revoke(_signer(position), signerSet);
    }

    function rebuild() external {
        (bool isDone,) = address(hub).call(abi.encodeCall(hub.rebuild, ()));
        isDone;
    }

    function pass(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % (seconds_ % 16 == 0 ? 10 days : 2 hours));
    }

    function pause(uint256 index, bool isGovernance) external {
        vm.prank(isGovernance ? GOVERNANCE : GUARDIAN);
        // The whole hub less often, or little else would happen.
        bool isAll = index % 8 == 0;
        uint16 feed = uint16(index / 8 % FEEDS);
        (bool isDone,) = address(hub)
            .call(isAll ? abi.encodeCall(hub.pauseAll, ()) : abi.encodeCall(hub.pauseFeed, (feed)));
        if (isDone && !isGovernance) {
            uint256 which = isAll ? FEEDS : feed;
            uint256 until = isAll ? hub.pausedUntil() : hub.feedInfo(feed).pausedUntil;
            if (_guardianPauseEnd[which] + 7 days > block.timestamp) ++guardianPausesProlonged;
            _guardianPauseEnd[which] = until;
        }
        _noteOthers();
    }

    function unpause(uint256 index) external {
        bool isAll = index % 2 == 1;
        uint16 feed = uint16(index / 2 % FEEDS);
        vm.prank(GOVERNANCE);
        (bool isDone,) = address(hub)
            .call(
                isAll ? abi.encodeCall(hub.unpauseAll, ()) : abi.encodeCall(hub.unpauseFeed, (feed))
            );
        if (isDone) _guardianPauseEnd[isAll ? FEEDS : feed] = block.timestamp;
        _noteOthers();
    }

    /// @dev New bounds of a feed, which mostly still have room for some of its answers.
    function limit(uint256 index, uint256 seed) external {
        int64 min = int64(uint64(1 + seed % 1_050_000));
        int64 max = min + int64(uint64((seed >> 64) % 1_000_000));
        uint16 feed = uint16(index % FEEDS);
        _govern(hub, abi.encodeCall(IFeedHub.setFeedLimits, (feed, min, max, 1000, 3600)));
        _noteOthers();
    }

    /// @dev Governance points one of two names at a feed.
    function point(uint256 which, uint256 index) external {
        bytes memory call =
            abi.encodeCall(IFeedHub.setAlias, (_name(which % 2), uint16(index % FEEDS)));
        vm.prank(GOVERNANCE);
        try hub.propose(call) {} catch {}
        try hub.execute(call) {
            ++aliasesMoved;
        } catch {}
        _noteOthers();
    }

    function list() external {
        if (_feeds == 12) return;
        _govern(hub, abi.encodeCall(IFeedHub.listFeed, (_listing(_feeds++))));
        _noteOthers();
    }

    /// @dev Whatever call the governance proposes, with any argument.
    function govern(bytes4 selector, uint256 a, uint256 b, uint256 c) external {
        bytes memory call = abi.encodePacked(selector, a, b, c);
        vm.prank(GOVERNANCE);
        try hub.propose(call) {} catch {}
        try hub.execute(call) {} catch {}
        _noteOthers();
    }

    /// @dev Calls by roles that hold no enclave key: the bytes are never signed.
    function forge(bytes calldata report, bool isGovernance) external {
        vm.prank(isGovernance ? GOVERNANCE : GUARDIAN);
        (bool isDone,) = address(hub).call(abi.encodeCall(hub.submit, (report)));
        if (isDone) ++roundsWrittenByOthers;
        _noteOthers();
    }

    /// @notice Moments of the rounds that landed, from the first to the last.
    function momentsOf(uint16 index) external view returns (uint32[] memory) {
        return _moments[index];
    }

    /// @notice keccak256 of the round that landed at a moment; zero if none did.
    function landedAs(uint16 index, uint32 moment) external view returns (bytes32) {
        return _landedAs[index][moment];
    }

    /// @dev Feeds 0 and 1 share a ring's slots; feed 2 keeps no history, its neighbour does, and has other
    ///      decimals.
    function _listing(uint256 i) internal pure override returns (FeedListing memory listing) {
        listing = super._listing(i);
        if (i < FEEDS) listing.historyRounds = [uint16(4), 3, 0, 2][i];
        if (i == 3) listing.decimals = 6;
    }

    function theHub() external view returns (IFeedHub) {
        return hub;
    }

    function _try(bytes memory report, uint256 observedAt, uint64 mask) internal virtual {
        bool wasLive = hub.isLive();
        bool wasPaused = block.timestamp < hub.pausedUntil();
        (bool isDone,) = address(hub).call(abi.encodeCall(hub.submit, (report)));
        if (!isDone) {
            _noteOthers();
            return;
        }
        ++landed;
        if (!wasLive) ++landedWhileCleared;
        if (wasPaused) ++landedWhilePaused;
        if (observedAt + MAX_AGE_S < block.timestamp || observedAt > block.timestamp + SKEW_S) {
            ++landedOutsideWindow;
        }
        if (_accepted.length < 64) _accepted.push(Accepted(report, observedAt, mask));
        _noteSigners(mask);
        _noteRounds();
    }

    function _noteRounds() private {
        uint256 newer;
        for (uint16 i = 0; i < FEEDS; ++i) {
            Round memory round = _round(i);
            bool isSame = keccak256(abi.encode(round)) == keccak256(abi.encode(_last[i]));
            if (round.observedAt > _last[i].observedAt) ++newer;
            else if (!isSame) ++roundsGoneBack;
            if (round.observedAt > _last[i].observedAt) {
                _moments[i].push(round.observedAt);
                _landedAs[i][round.observedAt] = keccak256(abi.encode(round));
            }
            _last[i] = round;
        }
        if (newer == 0) ++landedWithoutANewerRound;
        _noteAliases();
    }

    function _noteSigners(uint64 mask) private {
        uint256 signers;
        for (uint256 position = 0; position < 64; ++position) {
            if (mask >> position & 1 == 0) continue;
            ++signers;
            if (_isRevoked[position]) ++landedWithRevoked;
        }
        if (signers != M) ++landedWithOtherThanM;
        if (mask & mask >> 1 & 0x5555555555555555 != 0) ++landedWithSeatTwice;
    }

    /// @dev By name, the moment never goes back and the decimals are those that it began with.
    function _noteAliases() private {
        for (uint256 which = 0; which < 2; ++which) {
            bytes32 name = _name(which);
            try hub.readAlias(name) returns (Round memory round) {
                if (round.observedAt < _aliasMoment[name]) ++aliasesGoneBack;
                _aliasMoment[name] = round.observedAt;
            } catch {}
            try hub.aliasIndex(name) returns (uint16 index) {
                uint256 decimals_ = uint256(hub.feedInfo(index).decimals) + 1;
                if (_aliasDecimals[name] == 0) _aliasDecimals[name] = decimals_;
                if (_aliasDecimals[name] != decimals_) ++aliasDecimalsChanged;
            } catch {}
        }
    }

    function _name(uint256 which) private pure returns (bytes32) {
        return which == 0 ? bytes32("ETH/USD") : bytes32("LINK/USD");
    }

    /// @dev After anything but a submission every round is what it was.
    function _noteOthers() private {
        _noteAliases();
        for (uint16 i = 0; i < FEEDS; ++i) {
            if (keccak256(abi.encode(_round(i))) != keccak256(abi.encode(_last[i]))) {
                ++roundsWrittenByOthers;
            }
        }
    }

    /// @dev The round as stored; zeros if there is none. While paused, what it was before.
    function _round(uint16 index) private view returns (Round memory) {
        try hub.read(index) returns (Round memory round) {
            return round;
        } catch {
            return _last[index];
        }
    }

    function _anyQuorum(uint256 seed) private pure returns (uint64 mask) {
        uint256 first = seed % 5;
        for (uint256 i = 0; i < M; ++i) {
            uint256 position = 2 * ((first + i) % 5) + (seed >> (8 + i) & 1);
            mask |= uint64(1) << uint64(position);
        }
    }

    function _answers(uint256 seed, uint256 feeds) private pure returns (Answer[] memory answers) {
        uint256 count;
        for (uint256 i = 0; i < FEEDS; ++i) {
            count += feeds >> i & 1;
        }
        answers = new Answer[](count);
        count = 0;
        for (uint256 i = 0; i < FEEDS; ++i) {
            if (feeds >> i & 1 == 0) continue;
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            int64 value = int64(int256(1_000_000 + draw % 100_000));
            if (draw >> 64 & 7 == 0) value = int64(uint64(draw >> 128));
            answers[count++] = Answer(uint16(i), value, uint16(draw >> 16), uint8(draw >> 32), 0);
        }
    }
}

contract FeedHubInvariantsTest is FeedHubSetup {
    FeedHubHandler private handler;
    IFeedHub private target;

    function setUp() external {
        handler = new FeedHubHandler();
        target = handler.theHub();
        vm.warp(START);
    }

    /// @notice What forge calls at random.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_observedAtNeverDecreases() external view {
        assertEq(handler.roundsGoneBack(), 0, "rounds gone back, or changed at one moment");
    }

    function invariant_readAnswerIsWithinBounds() external view {
        for (uint16 index = 0; index < handler.FEEDS(); ++index) {
            FeedInfo memory info = target.feedInfo(index);
            try target.read(index) returns (Round memory round) {
                assertTrue(
                    info.minAnswer <= round.answer && round.answer <= info.maxAnswer, "bounds"
                );
            } catch {}
        }
    }

    function invariant_servedRoundOnceLandedSo() external view {
        for (uint16 index = 0; index < handler.FEEDS(); ++index) {
            uint32[] memory moments = handler.momentsOf(index);
            for (uint256 i = 0; i < moments.length; ++i) {
                _assertLandedSo(index, moments[i]);
                _assertLandedSo(index, moments[i] - 1);
            }
        }
    }

    function _assertLandedSo(uint16 index, uint32 moment) private view {
        try target.roundAt(index, moment) returns (Round memory round) {
            assertEq(round.observedAt, moment, "moment");
            assertEq(keccak256(abi.encode(round)), handler.landedAs(index, moment), "landed so");
        } catch {}
    }

    function invariant_historyKeepsTheLastRounds() external view {
        for (uint16 index = 0; index < handler.FEEDS(); ++index) {
            FeedInfo memory info = target.feedInfo(index);
            if (block.timestamp < info.pausedUntil) continue;
            uint32[] memory moments = handler.momentsOf(index);
            uint256 kept = info.historyRounds == 0 ? 1 : info.historyRounds;
            for (uint256 i = 0; i < moments.length; ++i) {
                bytes memory call =
                    abi.encodeCall(target.roundAt, (index, moments[moments.length - 1 - i]));
                (bool isServed, bytes memory reason) = address(target).staticcall(call);
                bool isUnknown =
                    !isServed && bytes4(reason) == IFeedHub.FeedHub_UnknownRound.selector;
                // A round outside the bounds is refused for that, but kept.
                assertTrue(isUnknown == (i >= kept), "the last, and no others");
            }
        }
    }

    function invariant_aliasNeverGoesBack() external view {
        assertEq(handler.aliasesGoneBack(), 0, "an older round by the same name");
    }

    function invariant_aliasKeepsItsDecimals() external view {
        assertEq(handler.aliasDecimalsChanged(), 0, "other decimals by the same name");
    }

    function invariant_clearedHubAcceptsNothing() external view {
        assertEq(handler.landedWhileCleared(), 0, "landed while cleared");
    }

    function invariant_pausedHubAcceptsNothing() external view {
        assertEq(handler.landedWhilePaused(), 0, "landed while paused");
    }

    function invariant_revokedSignerNeverCounts() external view {
        assertEq(handler.landedWithRevoked(), 0, "landed with a revoked signer");
    }

    function invariant_seatCountsOnce() external view {
        assertEq(handler.landedWithSeatTwice(), 0, "a seat counted twice");
    }

    function invariant_reportHasExactlyMSigners() external view {
        assertEq(handler.landedWithOtherThanM(), 0, "other than m signers");
    }

    function invariant_reportLandsInItsWindow() external view {
        assertEq(handler.landedOutsideWindow(), 0, "outside the window");
    }

    function invariant_everyLandingBringsANewerRound() external view {
        assertEq(handler.landedWithoutANewerRound(), 0, "landed and changed nothing");
    }

    function invariant_onlyReportsWriteRounds() external view {
        assertEq(handler.roundsWrittenByOthers(), 0, "governance or a stranger wrote a round");
    }

    function invariant_guardianNeverProlongsItsPause() external view {
        assertEq(handler.guardianPausesProlonged(), 0, "prolonged by the guardian");
    }

    function invariant_listRootIsTheRunningHashOfTheIds() external view {
        bytes32 root;
        bytes32[] memory ids = target.feedIds();
        for (uint256 i = 0; i < ids.length; ++i) {
            root = keccak256(abi.encode(root, ids[i]));
            assertEq(target.feedIndex(ids[i]), i, "index");
        }
        assertEq(target.listRoot(), root, "running hash");
    }

    /// @dev The handler is not idle: a plain report lands from its starting state.
    function test_handler_LandsReports() external {
        handler.submit(1, 0, 14, SKEW_S + 3);
        assertEq(handler.landed(), 1, "landed");
        handler.submitAgain(0);
        assertEq(handler.landed(), 1, "once");
        handler.point(0, 0);
        handler.point(0, 1);
        assertEq(handler.aliasesMoved(), 2, "aliases");
    }
}
