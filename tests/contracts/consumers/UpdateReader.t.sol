// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {UpdateReader} from "contracts/consumers/UpdateReader.sol";
import {IFeedHub, Round} from "contracts/interfaces/IFeedHub.sol";
import {IFeedVerifier} from "contracts/interfaces/IFeedVerifier.sol";

import {Deploy} from "../Deploy.sol";
import {Answer, FeedHubSetup} from "../FeedHubSetup.sol";

/// @notice `UpdateReader`, through `FeedVerifier`.
contract UpdateReaderTest is FeedHubSetup {
    int64 private constant PRICE = 5_000_000_000;
    uint256 private constant AGE = 60;

    IFeedVerifier private verifier;

    function setUp() external {
        _deploy(5, 3, 6);
        verifier = IFeedVerifier(Deploy.shipped("FeedVerifier", abi.encode(address(hub))));
    }

    // --- one feed ---

    function test_updateAndRead_StoresAndReads() external {
        Round memory round = verifier.updateAndRead(_signed(START, _one(1, PRICE)), 1, AGE);
        assertEq(round.answer, PRICE, "answer");
        assertEq(hub.read(1).answer, PRICE, "stored");
    }

    function test_updateAndRead_SucceedsWhenSomeoneWasFaster() external {
        bytes memory report = _signed(START, _one(1, PRICE));
        hub.submit(report);
        assertEq(verifier.updateAndRead(report, 1, AGE).answer, PRICE, "already stored");
        vm.warp(START + 1);
        hub.submit(_signed(START + 1, _one(1, PRICE + 1)));
        assertEq(verifier.updateAndRead(report, 1, AGE).answer, PRICE + 1, "newer stored");
    }

    function test_updateAndRead_RevertWhen_TheRoundIsTooOld() external {
        bytes memory report = _signed(START - AGE - 1, _one(1, PRICE));
        _expectStale(1, START - AGE - 1);
        verifier.updateAndRead(report, 1, AGE);
    }

    function test_updateAndRead_TakesAnyAge() external {
        bytes memory report = _signed(START - MAX_AGE_S, _one(1, PRICE));
        assertEq(verifier.updateAndRead(report, 1, type(uint256).max).answer, PRICE, "answer");
    }

    function test_updateAndRead_RevertWhen_TheHubRefuses() external {
        hub.submit(_signed(START - 1, _one(1, PRICE)));
        bytes memory jump = _signed(START, _one(1, 2 * PRICE));
        vm.expectRevert(IFeedHub.FeedHub_NothingLanded.selector);
        verifier.updateAndRead(jump, 1, AGE);
        vm.prank(GUARDIAN);
        hub.pauseFeed(1);
        bytes memory both = _signed(START, _many(2, 1, PRICE));
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_FeedPaused.selector, 1, START + 7 days)
        );
        verifier.updateAndRead(both, 1, AGE);
    }

    /// @dev The hub says what is wrong with it, whatever is stored.
    function test_updateAndRead_RevertWhen_TheBytesHaveNotTheFormOfAReport() external {
        hub.submit(_signed(START, _one(1, PRICE)));
        vm.expectPartialRevert(IFeedHub.FeedHub_Version.selector);
        verifier.updateAndRead("", 1, AGE);
        bytes memory report = _signed(START - 1, _one(1, PRICE));
        bytes memory cut = new bytes(52);
        for (uint256 i = 0; i < cut.length; ++i) {
            cut[i] = report[i];
        }
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_ReportLength.selector, 52, 253));
        verifier.updateAndRead(cut, 1, AGE);
        (report[37], report[38]) = (0, 0);
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_EntryCount.selector, 0, 1024));
        verifier.updateAndRead(report, 1, AGE);
    }

    // --- several feeds ---

    function test_updateAndReadMany_StoresAndReadsInTheOrderAsked() external {
        Round[] memory rounds =
            verifier.updateAndReadMany(_signed(START, _many(4, 1, PRICE)), _indexes(3, 0, 3), AGE);
        assertEq(rounds[0].answer, PRICE + 3, "3");
        assertEq(rounds[1].answer, PRICE, "0");
        assertEq(rounds[2].answer, PRICE + 3, "3 again");
        assertEq(hub.read(2).answer, PRICE + 2, "all of it is stored");
    }

    /// @dev Feeds among which the report names some; each was pushed before, at some moment. Whatever came
    ///      first, nobody is reverted, no round goes back, and the report is submitted only for news.
    function testFuzz_updateAndReadMany_NeverRevertsForAPushInFront(
        uint8 named,
        uint8 pushed,
        uint8 newer,
        uint8 wanted
    ) external {
        (named, wanted) = (named & 0x3F | 1, wanted & 0x3F | 2);
        hub.submit(_signed(START - 9, _of(0x3F, PRICE - 9)));
        bytes memory report = _signed(START - 4, _of(named, PRICE - 4));
        if (pushed & named != 0) hub.submit(_signed(START - 4, _of(pushed & named, PRICE - 4)));
        if (newer & 0x3F != 0) hub.submit(_signed(START, _of(newer & 0x3F, PRICE)));

        uint8 stored = pushed & named | newer;
        bool hasNews = wanted & named & ~stored != 0;
        vm.expectCall(address(hub), abi.encodeCall(hub.submit, (report)), hasNews ? 1 : 0);
        uint16[] memory indexes = new uint16[](6);
        uint256 count;
        for (uint16 i = 0; i < 6; ++i) {
            if (wanted >> i & 1 == 1) indexes[count++] = i;
        }
        assembly ("memory-safe") {
            mstore(indexes, count)
        }
        Round[] memory rounds = verifier.updateAndReadMany(report, indexes, AGE);
        for (uint256 k = 0; k < count; ++k) {
            uint256 i = indexes[k];
            uint256 moment = named >> i & 1 == 1 ? START - 4 : START - 9;
            if (newer >> i & 1 == 1) moment = START;
            assertEq(rounds[k].observedAt, moment, "observedAt");
        }
    }

    function test_updateAndReadMany_LeavesOutWhatTheReportDoesNotName() external {
        hub.submit(_signed(START - 9, _one(5, PRICE)));
        bytes memory report = _signed(START, _one(1, PRICE));
        hub.submit(report);
        vm.expectCall(address(hub), abi.encodeCall(hub.submit, (report)), 0);
        Round[] memory rounds = verifier.updateAndReadMany(report, _indexes(1, 5, 1), AGE);
        assertEq(rounds[1].observedAt, START - 9, "older, and young enough");
    }

    /// @dev One feed's step is too large. Alone, the other lands and the call succeeds; so it must when
    ///      someone brings the same report first.
    function test_updateAndReadMany_SucceedsWhenTheRestOfAnOvertakenReportIsRefused() external {
        hub.submit(_signed(START - 5, _many(2, 1, PRICE)));
        Answer[] memory answers = _many(2, 1, PRICE);
        answers[1].value = 2 * PRICE;
        bytes memory report = _signed(START, answers);
        hub.submit(report);
        Round[] memory rounds = verifier.updateAndReadMany(report, _indexes(0, 1, 0), AGE);
        assertEq(rounds[0].observedAt, START, "landed");
        assertEq(rounds[1].observedAt, START - 5, "refused, and still young enough");
        _expectStale(1, START - 5, START - 4);
        verifier.updateAndReadMany(report, _indexes(0, 1, 0), 4);
    }

    function test_updateAndReadMany_RevertWhen_TheHubRefusesForAnotherReason() external {
        hub.submit(_signed(START - 1, _one(0, PRICE)));
        bytes memory report = _signed(START - 2, _many(2, 1, PRICE));
        report[report.length - 1] ^= 0x01;
        vm.expectPartialRevert(IFeedHub.FeedHub_BadSignature.selector);
        verifier.updateAndReadMany(report, _indexes(0, 1, 0), AGE);
    }

    function test_updateAndReadMany_RevertWhen_AnyRoundIsTooOldOrMissing() external {
        hub.submit(_signed(START - AGE - 1, _one(5, PRICE)));
        bytes memory report = _signed(START, _one(1, PRICE));
        _expectStale(5, START - AGE - 1);
        verifier.updateAndReadMany(report, _indexes(1, 1, 5), AGE);
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_NeverWritten.selector, 4));
        verifier.updateAndReadMany(report, _indexes(1, 4, 1), AGE);
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_UnlistedFeed.selector, 6, 6));
        verifier.updateAndReadMany(report, _indexes(1, 6, 1), AGE);
    }

    function test_updateAndReadMany_RevertWhen_ThereAreTooManyFeeds() external {
        bytes memory report = _signed(START, _one(1, PRICE));
        uint16[] memory indexes = new uint16[](1025);
        vm.expectRevert(
            abi.encodeWithSelector(UpdateReader.UpdateReader_TooManyFeeds.selector, 1025, 1024)
        );
        verifier.updateAndReadMany(report, indexes, AGE);
    }

    function _signed(uint256 observedAt, Answer[] memory answers)
        private
        view
        returns (bytes memory)
    {
        return _report(observedAt, answers, 0x15);
    }

    /// @dev One answer for each feed of a set.
    function _of(uint8 set, int64 value) private pure returns (Answer[] memory answers) {
        answers = new Answer[](8);
        uint256 count;
        for (uint16 i = 0; i < 8; ++i) {
            if (set >> i & 1 == 1) answers[count++] = Answer(i, value, 12, 5, 0);
        }
        assembly ("memory-safe") {
            mstore(answers, count)
        }
    }

    function _indexes(uint16 a, uint16 b, uint16 c) private pure returns (uint16[] memory list) {
        list = new uint16[](3);
        (list[0], list[1], list[2]) = (a, b, c);
    }

    function _expectStale(uint256 index, uint256 seen_at) private {
        _expectStale(index, seen_at, START - AGE);
    }

    function _expectStale(uint256 index, uint256 seen_at, uint256 wanted_at) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                UpdateReader.UpdateReader_Stale.selector, index, seen_at, wanted_at
            )
        );
    }
}
