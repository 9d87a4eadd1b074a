// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub, Round} from "contracts/interfaces/IFeedHub.sol";
import {IFeedVerifier} from "contracts/interfaces/IFeedVerifier.sol";
import {TeeKind, Tier} from "contracts/types/Tee.sol";

import {ReportGrammar} from "./ReportGrammar.sol";
import {Vm} from "./Vm.sol";

/// @notice Malicious reports against a plain model of the hub: a report that fails as a whole changes nothing,
///         an entry that fails its own check changes nothing of its lane, and whatever else changes is what the
///         model says, bit for bit.
/// @dev `CASES` for each fuzz run, one after the other against one hub: 256 runs in CI are 2,048 cases, the
///      100,000 of scripts/nightly 800,000.
contract FeedHubFuzzTest is ReportGrammar {
    uint256 private constant CASES = 8;
    uint256 private constant TALLIED = 3000;
    uint256 private constant REASONS = 4;

    struct Tally {
        uint256 accepted;
        uint256 refused;
    }

    /// @dev By kind of change; at `KINDS`, reports without any.
    mapping(uint256 kind => Tally tally) private _tallies;
    mapping(uint256 reason => uint256 entries) private _skips;
    mapping(bytes4 error => uint256 times) private _errors;
    uint256 private _pulled;
    bytes private _last;

    function setUp() external {
        _deployModel();
    }

    function testFuzz_submit_ChangesNothingButWhatTheModelSays(uint256 seed) external {
        for (uint256 i = 0; i < CASES; ++i) {
            this.tryOne(uint256(keccak256(abi.encode(seed, i))));
        }
    }

    /// @dev The fuzzer itself: it makes every kind of change, which are accepted and refused as they should,
    ///      and reaches every refusal of a report.
    function test_grammar_ReachesEveryKindAndEveryRefusal() external {
        for (uint256 i = 0; i < TALLIED; ++i) {
            this.tryOne(uint256(keccak256(abi.encode("tally", i))));
        }
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            string memory name = string.concat("kind ", vm.toString(kind));
            assertTrue(_tallies[kind].refused > 0, string.concat(name, " was never refused"));
            assertTrue(
                _tallies[kind].refused + _tallies[kind].accepted >= TALLIED / KINDS,
                string.concat(name, " is rare")
            );
        }
        assertTrue(_tallies[KINDS].accepted > TALLIED / 16, "sound reports land");
        assertTrue(_pulled > TALLIED / 16, "and are verified");
        for (uint256 reason = 1; reason <= REASONS; ++reason) {
            assertTrue(_skips[reason] > 5, string.concat("reason ", vm.toString(reason)));
        }
        _expectHarmless(Kind.EntryRemoved);
        _expectHarmless(Kind.EnclaveFlagSet);
        _expectHarmless(Kind.ValueAtItsBounds);
        _expectHarmless(Kind.ValueAtTheJumpLimit);
        _expectHarmless(Kind.TimeAtTheWindow);
        _expectHarmless(Kind.SignerExpiring);
        _expectHarmless(Kind.VendorUnknown);
        _expectErrors();
    }

    /// @dev One step of the world, one report, and everything it may change. External for its memory.
    function tryOne(uint256 seed) external {
        require(msg.sender == address(this), "for itself alone");
        _step(_draw(seed, "world"));
        (bytes memory report, uint256 kinds) = _nearlyRight(seed);
        if (_draw(seed, "again") % 16 == 0 && _last.length != 0) (report, kinds) = (_last, 0);
        Verdict memory verdict = _judge(report);
        _comparePull(report, verdict);
        vm.record();
        vm.recordLogs();
        (bool isDone, bytes memory reason) =
            address(hub).call(abi.encodeCall(IFeedHub.submit, (report)));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (, bytes32[] memory writes) = vm.accesses(address(hub));
        assertTrue(isDone == verdict.isPushed, isDone ? "accepted" : "refused");
        assertEq(abi.encode(_lanes()), abi.encode(verdict.slots), "lanes");
        if (isDone) {
            _compareLogs(logs, verdict.skipped);
            _last = report;
            for (uint256 i = 0; i < writes.length; ++i) {
                uint256 slot = uint256(writes[i]);
                assertTrue(slot >= lanesAt && slot < lanesAt + SLOTS, "another slot written");
            }
        } else {
            assertTrue(reason.length >= 4, "untyped");
            ++_errors[bytes4(reason)];
        }
        _count(kinds, isDone);
    }

    /// @dev Time passes; now and then someone pauses, lifts, clears or rebuilds.
    function _step(uint256 any) private {
        uint16 feed = uint16((any >> 16) % FEEDS);
        vm.warp(block.timestamp + (any >> 32) % 20);
        if (!hub.isLive() && any >> 64 & 3 != 0) hub.rebuild();
        if (block.timestamp < hub.pausedUntil() && any >> 66 & 3 != 0) {
            _byGovernance(abi.encodeCall(IFeedHub.unpauseAll, ()));
        }
        uint256 draw = any % 32;
        if (draw == 0) _byGovernance(abi.encodeCall(IFeedHub.pauseFeed, (feed)));
        else if (draw < 8) _byGovernance(abi.encodeCall(IFeedHub.unpauseFeed, (feed)));
        else if (draw == 8) _byGovernance(abi.encodeCall(IFeedHub.pauseAll, ()));
        else if (draw == 9) _clearAll();
        else if (draw == 10) vm.warp(block.timestamp + JUMP_LAPSE_S);
        else if (draw == 11) _renew();
        else if (draw == 12 && any >> 68 & 7 == 0) vm.warp(block.timestamp + 7 days);
    }

    function _clearAll() private {
        vm.prank(IMAGES);
        signerSet.clear();
    }

    function _byGovernance(bytes memory call) private {
        vm.prank(GOVERNANCE);
        (bool isDone,) = address(hub).call(call);
        // There may be nothing to lift.
        isDone;
    }

    /// @dev The signer whose registration is short gets another.
    function _renew() private {
        _put(EXPIRING, TeeKind.SNP, Tier.TOKEN, block.timestamp + EXPIRES_AFTER_S);
        (bool isDone,) = address(hub).call(abi.encodeCall(IFeedHub.rebuild, ()));
        // It may have been renewed in this second.
        isDone;
    }

    /// @dev The same bytes, in a consumer's own transaction.
    function _comparePull(bytes memory report, Verdict memory verdict) private {
        uint16 index = report.length < 41 ? 0 : uint16(_field(report, 39, 2));
        try verifier.verify(report, index, MAX_AGE_S) returns (Round memory round) {
            assertTrue(verdict.isPulled, "pulled");
            assertEq(uint64(round.answer), _field(report, 41, 8), "answer");
            assertEq(round.observedAt, _field(report, 1, 4), "observedAt");
            ++_pulled;
        } catch (bytes memory reason) {
            assertTrue(!verdict.isPulled, "not pulled");
            assertTrue(reason.length >= 4, "untyped");
        }
        // What it remembers of earlier reports is no help to this one.
        (bool isCached,) = address(verifier)
            .call(abi.encodeCall(IFeedVerifier.verifyCached, (report, index, MAX_AGE_S)));
        assertTrue(isCached == verdict.isPulled, "from memory");
    }

    /// @dev One event for each entry skipped, in order, and one for the batch.
    function _compareLogs(Vm.Log[] memory logs, bytes memory skipped) private {
        assertEq(logs.length, skipped.length / 3 + 1, "events");
        for (uint256 i = 0; i + 1 < logs.length; ++i) {
            assertEq(logs[i].topics[0], IFeedHub.FeedSkipped.selector, "skipped");
            uint256 reason = _field(skipped, 3 * i + 2, 1);
            assertEq(uint256(logs[i].topics[1]), _field(skipped, 3 * i, 2), "index");
            assertEq(abi.decode(logs[i].data, (uint256)), reason, "reason");
            ++_skips[reason];
        }
        assertEq(logs[logs.length - 1].topics[0], IFeedHub.ReportAccepted.selector, "accepted");
    }

    function _count(uint256 kinds, bool isDone) private {
        if (kinds == 0) kinds = 1 << KINDS;
        for (uint256 kind = 0; kind <= KINDS; ++kind) {
            if (kinds >> kind & 1 == 0) continue;
            if (isDone) ++_tallies[kind].accepted;
            else ++_tallies[kind].refused;
        }
    }

    /// @dev Such a change alone need not make a report fail.
    function _expectHarmless(Kind kind) private view {
        uint256 which = uint256(kind);
        assertTrue(
            _tallies[which].accepted > 0,
            string.concat("kind ", vm.toString(which), " was never accepted")
        );
    }

    function _expectErrors() private view {
        bytes4[19] memory errors = [
            IFeedHub.FeedHub_Version.selector,
            IFeedHub.FeedHub_EntryCount.selector,
            IFeedHub.FeedHub_ReportLength.selector,
            IFeedHub.FeedHub_NotLive.selector,
            IFeedHub.FeedHub_Paused.selector,
            IFeedHub.FeedHub_UnlistedFeed.selector,
            IFeedHub.FeedHub_ListRoot.selector,
            IFeedHub.FeedHub_SeatTwice.selector,
            IFeedHub.FeedHub_NoSigner.selector,
            IFeedHub.FeedHub_SignerCount.selector,
            IFeedHub.FeedHub_SignerExpired.selector,
            IFeedHub.FeedHub_HighS.selector,
            IFeedHub.FeedHub_BadSignature.selector,
            IFeedHub.FeedHub_TooFewVendors.selector,
            IFeedHub.FeedHub_ReportTooOld.selector,
            IFeedHub.FeedHub_ReportFromTheFuture.selector,
            IFeedHub.FeedHub_EntryOrder.selector,
            IFeedHub.FeedHub_ReservedFlags.selector,
            IFeedHub.FeedHub_NothingLanded.selector
        ];
        for (uint256 i = 0; i < errors.length; ++i) {
            string memory name = vm.toString(bytes32(errors[i]));
            assertTrue(_errors[errors[i]] > 0, string.concat("never refused by ", name));
        }
    }
}
