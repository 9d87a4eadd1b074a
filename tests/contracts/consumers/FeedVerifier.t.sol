// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PullReader} from "contracts/consumers/PullReader.sol";
import {IFeedHub, Round} from "contracts/interfaces/IFeedHub.sol";
import {IFeedVerifier} from "contracts/interfaces/IFeedVerifier.sol";
import {IPullConsumer} from "contracts/interfaces/IPullConsumer.sol";
import {VerifiedReport} from "contracts/libraries/VerifiedReport.sol";
import {Lane} from "contracts/types/Lane.sol";

import {Deploy} from "../Deploy.sol";
import {Answer, FeedHubSetup} from "../FeedHubSetup.sol";

/// @notice `PullReader`, through the contract around it.
contract FeedVerifierTest is FeedHubSetup {
    int64 private constant PRICE = 5_000_000_000;
    uint256 private constant AGE = 60;

    IFeedVerifier private verifier;

    function setUp() external {
        _deploy(5, 3, 5);
        verifier = IFeedVerifier(Deploy.shipped("FeedVerifier", abi.encode(address(hub))));
    }

    function test_hub_IsTheOneGiven() external view {
        assertEq(address(verifier.hub()), address(hub), "hub");
    }

    function test_verify_IsWhatTheReportSays() external view {
        Answer[] memory answers = _many(3, 2, PRICE);
        answers[1] = Answer(2, PRICE + 9, 77, 6, 0x03);
        Round memory round = verifier.verify(_report(START - 60, answers, 0x15), 2, AGE);
        assertEq(round.answer, PRICE + 9, "answer");
        assertEq(round.observedAt, START - 60, "observedAt");
        assertEq(round.dispersion, 77, "dispersion");
        assertEq(round.sources, 6, "sources");
        assertEq(round.flags, 0x83, "listed, tier DIRECT, the enclave's bits");
    }

    function test_verify_EqualsWhatAPushStores() external {
        bytes memory report = _report(START, _many(5, 1, PRICE), 0x15);
        hub.submit(report);
        for (uint16 i = 0; i < 5; ++i) {
            Round memory pulled = verifier.verify(report, i, AGE);
            assertEq(abi.encode(pulled), abi.encode(hub.read(i)), "round");
        }
    }

    function test_verifyLane_IsTheSameInOneWord() external view {
        bytes memory report = _report(START, _many(5, 1, PRICE), 0x15);
        for (uint16 i = 0; i < 5; ++i) {
            Round memory round = verifier.verify(report, i, AGE);
            Lane lane = verifier.verifyLane(report, i, AGE);
            assertEq(lane.value(), round.answer, "answer");
            assertEq(lane.observedAt(), round.observedAt, "observedAt");
            assertEq(lane.dispersion(), round.dispersion, "dispersion");
            assertEq(lane.sources(), round.sources, "sources");
            assertEq(lane.flags(), round.flags, "flags");
        }
    }

    function test_constructor_RevertWhen_TheHubIsNoContract() external {
        assertEq(
            _refusal("FeedVerifier", abi.encode(STRANGER)),
            abi.encodeWithSelector(IFeedVerifier.FeedVerifier_NoHub.selector, STRANGER),
            "reason"
        );
    }

    function test_constructorOfAConsumer_RevertWhen_HubOrVerifierIsNoContract() external {
        bytes memory reason =
            abi.encodeWithSelector(IPullConsumer.PullConsumer_NoContract.selector, STRANGER);
        bytes memory noHub = abi.encode(STRANGER, verifier, AGE);
        assertEq(_refusal("PullConsumer", noHub), reason, "hub");
        bytes memory noVerifier = abi.encode(hub, STRANGER, AGE);
        assertEq(_refusal("PullConsumer", noVerifier), reason, "verifier");
    }

    function test_verify_TakesAReportAgainAndOneOlderThanStored() external {
        bytes memory older = _report(START - 5, _one(1, PRICE - 1), 0x15);
        hub.submit(_report(START, _one(1, PRICE), 0x15));
        assertEq(verifier.verify(older, 1, AGE).answer, PRICE - 1, "first");
        assertEq(verifier.verify(older, 1, AGE).answer, PRICE - 1, "again");
        assertEq(hub.read(1).answer, PRICE, "nothing stored");
    }

    function test_verifyMany_TakesAnyOrder() external view {
        uint16[] memory indexes = new uint16[](3);
        (indexes[0], indexes[1], indexes[2]) = (4, 0, 4);
        bytes memory report = _report(START, _many(5, 1, PRICE), 0x15);
        Round[] memory rounds = verifier.verifyMany(report, indexes, AGE);
        assertEq(rounds[0].answer, PRICE + 4, "4");
        assertEq(rounds[1].answer, PRICE, "0");
        assertEq(rounds[2].answer, PRICE + 4, "4 again");
    }

    function test_verify_RevertWhen_AnyBitOfTheReportIsAnother() external view {
        bytes memory report = _report(START, _many(2, 1, PRICE), 0x15);
        for (uint256 bit = 0; bit < 8 * report.length; ++bit) {
            bytes1 flip = bytes1(uint8(1 << (bit % 8)));
            report[bit / 8] ^= flip;
            try verifier.verify(report, 1, AGE) returns (Round memory) {
                assertEq(bit, type(uint256).max, "this bit does not matter");
            } catch (bytes memory reason) {
                assertTrue(reason.length >= 4, "typed");
            }
            report[bit / 8] ^= flip;
        }
        assertEq(verifier.verify(report, 1, AGE).answer, PRICE + 1, "unharmed");
    }

    function test_verify_RevertWhen_ReportIsCutOrLonger() external {
        bytes memory report = _report(START, _one(1, PRICE), 0x15);
        uint256 length = report.length;
        _refuse(
            bytes.concat(report, hex"00"),
            abi.encodeWithSelector(IFeedHub.FeedHub_ReportLength.selector, length + 1, length)
        );
        assembly ("memory-safe") {
            mstore(report, sub(length, 1))
        }
        _refuse(
            report,
            abi.encodeWithSelector(IFeedHub.FeedHub_ReportLength.selector, length - 1, length)
        );
    }

    function test_verify_RevertWhen_OlderThanTheConsumerOrTheHubTakes() external {
        _refuse(
            _report(START - AGE - 1, _one(1, PRICE), 0x15),
            abi.encodeWithSelector(
                IFeedHub.FeedHub_ReportTooOld.selector, START - AGE - 1, START - AGE
            )
        );
        bytes memory old = _report(START - MAX_AGE_S - 1, _one(1, PRICE), 0x15);
        vm.expectRevert(
            abi.encodeWithSelector(
                IFeedHub.FeedHub_ReportTooOld.selector, START - MAX_AGE_S - 1, START - MAX_AGE_S
            )
        );
        verifier.verify(old, 1, type(uint256).max);
    }

    function test_verify_RevertWhen_FromTheFuture() external {
        bytes memory report = _report(START + SKEW_S, _one(1, PRICE), 0x15);
        assertEq(verifier.verify(report, 1, 0).observedAt, START + SKEW_S, "within the skew");
        _refuse(
            _report(START + SKEW_S + 1, _one(1, PRICE), 0x15),
            abi.encodeWithSelector(
                IFeedHub.FeedHub_ReportFromTheFuture.selector, START + SKEW_S + 1, START + SKEW_S
            )
        );
    }

    function test_verify_RevertWhen_TableIsCleared() external {
        bytes memory report = _report(START, _one(1, PRICE), 0x15);
        registry.revoke(_signer(8), signerSet);
        _refuse(report, abi.encodeWithSelector(IFeedHub.FeedHub_NotLive.selector));
        hub.rebuild();
        assertEq(verifier.verify(report, 1, AGE).answer, PRICE, "rebuilt");
    }

    function test_verify_RevertWhen_HubIsPaused() external {
        vm.prank(GUARDIAN);
        hub.pauseAll();
        _refuse(
            _report(START, _one(1, PRICE), 0x15),
            abi.encodeWithSelector(IFeedHub.FeedHub_Paused.selector, START + 7 days)
        );
    }

    function test_verify_RevertWhen_AnyFeedOfTheReportIsPaused() external {
        vm.prank(GUARDIAN);
        hub.pauseFeed(2);
        _refuse(
            _report(START, _many(5, 1, PRICE), 0x15),
            abi.encodeWithSelector(IFeedHub.FeedHub_FeedPaused.selector, 2, START + 7 days)
        );
        bytes memory other = _report(START, _one(1, PRICE), 0x15);
        assertEq(verifier.verify(other, 1, AGE).answer, PRICE, "others go on");
        vm.prank(GOVERNANCE);
        hub.unpauseFeed(2);
        other = _report(START, _one(2, PRICE), 0x15);
        assertEq(verifier.verify(other, 2, AGE).answer, PRICE, "lifted");
    }

    function test_verify_GoesOnWhenAPauseHasLapsed() external {
        vm.prank(GUARDIAN);
        hub.pauseFeed(2);
        vm.expectRevert(IFeedHub.FeedHub_NothingToRebuild.selector);
        hub.rebuild();
        vm.warp(START + 7 days);
        bytes memory report = _report(START + 7 days, _one(2, PRICE), 0x15);
        assertTrue(hub.verifyConfig().hasFeedPauses(), "asks still");
        assertEq(verifier.verify(report, 2, AGE).answer, PRICE, "lapsed");
        hub.rebuild();
        assertTrue(!hub.verifyConfig().hasFeedPauses(), "asks no more");
        assertEq(verifier.verify(report, 2, AGE).answer, PRICE, "after a rebuild");
    }

    function test_verify_RevertWhen_FeedIsUnlisted() external {
        _refuse(
            _report(START, _one(5, PRICE), 0x15),
            abi.encodeWithSelector(IFeedHub.FeedHub_UnlistedFeed.selector, 5, 5)
        );
    }

    function test_verify_RevertWhen_AnyAnswerIsOutOfBounds() external {
        int64[4] memory bad = [MIN_ANSWER - 1, MAX_ANSWER + 1, 0, -1];
        for (uint256 i = 0; i < bad.length; ++i) {
            Answer[] memory answers = _many(5, 1, PRICE);
            answers[3].value = bad[i];
            _refuse(
                _report(START, answers, 0x15),
                abi.encodeWithSelector(
                    PullReader.PullReader_OutOfBounds.selector, 3, bad[i], MIN_ANSWER, MAX_ANSWER
                )
            );
        }
        assertEq(
            verifier.verify(_report(START, _one(1, MIN_ANSWER), 0x15), 1, AGE).answer,
            MIN_ANSWER,
            "least"
        );
        assertEq(
            verifier.verify(_report(START, _one(1, MAX_ANSWER), 0x15), 1, AGE).answer,
            MAX_ANSWER,
            "most"
        );
    }

    function test_verify_RevertWhen_EntriesAreOutOfOrder() external {
        Answer[] memory answers = _many(3, 1, PRICE);
        answers[1].index = 0;
        _refuse(
            _report(START, answers, 0x15),
            abi.encodeWithSelector(IFeedHub.FeedHub_EntryOrder.selector, 0, 0)
        );
        for (uint256 far = 65_535; far > 8000; far >>= 1) {
            answers[1].index = uint16(far);
            _refuse(
                _report(START, answers, 0x15),
                abi.encodeWithSelector(IFeedHub.FeedHub_EntryOrder.selector, 2, far)
            );
        }
        answers[1].index = 3;
        _refuse(
            _report(START, answers, 0x15),
            abi.encodeWithSelector(IFeedHub.FeedHub_EntryOrder.selector, 2, 3)
        );
    }

    function test_verify_RevertWhen_AnEntryHasTheHubsFlags() external {
        Answer[] memory answers = _one(1, PRICE);
        answers[0].flags = 0x80;
        _refuse(
            _report(START, answers, 0x15),
            abi.encodeWithSelector(IFeedHub.FeedHub_ReservedFlags.selector, 1, 0x80)
        );
    }

    function test_verify_RevertWhen_TheReportLacksTheFeed() external {
        for (uint16 i = 0; i < 4; i += 2) {
            uint16 wanted = i == 0 ? 0 : 4;
            bytes memory report = _report(START, _many(2, 1, PRICE), 0x15);
            if (wanted == 0) report = _report(START, _one(3, PRICE), 0x15);
            vm.expectRevert(
                abi.encodeWithSelector(VerifiedReport.VerifiedReport_MissingFeed.selector, wanted)
            );
            verifier.verify(report, wanted, AGE);
        }
    }

    function test_verifyMany_RevertWhen_ThereAreTooManyFeeds() external {
        bytes memory report = _report(START, _one(1, PRICE), 0x15);
        uint16[] memory indexes = new uint16[](1025);
        vm.expectRevert(
            abi.encodeWithSelector(IFeedVerifier.FeedVerifier_TooManyFeeds.selector, 1025, 1024)
        );
        verifier.verifyMany(report, indexes, AGE);
    }

    function _refuse(bytes memory report, bytes memory reason) private {
        vm.expectRevert(reason);
        verifier.verify(report, 1, AGE);
    }
}
