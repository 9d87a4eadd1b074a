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
        vm.prank(GUARDIAN);
        hub.pauseFeed(1);
        bytes memory both = _signed(START, _many(2, 1, PRICE));
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_FeedPaused.selector, 1, START + 7 days)
        );
        verifier.updateAndRead(both, 1, AGE);
    }

    /// @dev Alone the report would land. Someone brings one of a moment in between, from which the step is
    ///      too large: what that one stored is young enough, or the call says how old it is.
    function test_updateAndRead_ReadsWhatIsStoredWhenARoundInBetweenMakesItAJump() external {
        hub.submit(_signed(START - 9, _one(1, PRICE)));
        bytes memory report = _signed(START, _one(1, PRICE * 109 / 100));
        hub.submit(_signed(START - 5, _one(1, PRICE * 91 / 100)));
        Round memory round = verifier.updateAndRead(report, 1, 5);
        assertEq(round.answer, PRICE * 91 / 100, "answer");
        assertEq(round.observedAt, START - 5, "observedAt");
        _expectStale(1, START - 5, START - 4);
        verifier.updateAndRead(report, 1, 4);
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

    /// @dev Feeds among which the report names some, after pushes of any of them at other moments and
    ///      prices, from which the report's step may be too large. Whatever came first, nobody is reverted,
    ///      no round goes back, and the report is submitted only for news.
    function testFuzz_updateAndReadMany_NeverRevertsForAPushInFront(
        uint8 named,
        uint8[3] memory pushed,
        uint8 wanted,
        uint16[3] memory anyMove
    ) external {
        (named, wanted) = (named & 0x3F | 1, wanted & 0x3F | 2);
        hub.submit(_signed(START - 9, _of(0x3F, PRICE)));
        int64 price = _moved(anyMove[0]);
        bytes memory report = _signed(START - 4, _of(named, price));
        _push(START - 6, pushed[0], _moved(anyMove[1]));
        _push(START - 4, pushed[1] & named, price);
        _push(START, pushed[2], _moved(anyMove[2]));

        (uint16[] memory indexes, Round[] memory before) = _stored(wanted);
        bool hasNews = false;
        for (uint256 k = 0; k < indexes.length; ++k) {
            if (_isNews(named, indexes[k], before[k])) hasNews = true;
        }
        vm.expectCall(address(hub), abi.encodeCall(hub.submit, (report)), hasNews ? 1 : 0);
        Round[] memory rounds = verifier.updateAndReadMany(report, indexes, AGE);
        for (uint256 k = 0; k < indexes.length; ++k) {
            bool isLanded = _isNews(named, indexes[k], before[k]) && !_isJump(before[k], price);
            assertEq(
                rounds[k].observedAt, isLanded ? START - 4 : before[k].observedAt, "observedAt"
            );
            assertEq(rounds[k].answer, isLanded ? price : before[k].answer, "answer");
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

    /// @dev Of some feeds, if any; what the hub refuses of it does not matter.
    function _push(uint256 observedAt, uint8 set, int64 price) private {
        if (set & 0x3F == 0) return;
        bytes memory call =
            abi.encodeCall(hub.submit, (_signed(observedAt, _of(set & 0x3F, price))));
        (bool isDone, bytes memory reason) = address(hub).call(call);
        bytes4 seen = isDone ? IFeedHub.FeedHub_NothingLanded.selector : bytes4(reason);
        assertEq(
            bytes32(seen), bytes32(IFeedHub.FeedHub_NothingLanded.selector), "refused otherwise"
        );
    }

    /// @dev The feeds of a set and their rounds.
    function _stored(uint8 set)
        private
        view
        returns (uint16[] memory indexes, Round[] memory rounds)
    {
        Answer[] memory answers = _of(set, PRICE);
        (indexes, rounds) = (new uint16[](answers.length), new Round[](answers.length));
        for (uint256 i = 0; i < answers.length; ++i) {
            indexes[i] = answers[i].index;
            rounds[i] = hub.read(indexes[i]);
        }
    }

    function _isNews(uint8 named, uint16 index, Round memory stored) private pure returns (bool) {
        return named >> index & 1 == 1 && stored.observedAt < START - 4;
    }

    /// @dev Nothing lapses within the seconds of these tests.
    function _isJump(Round memory stored, int64 price) private pure returns (bool) {
        int64 step = price > stored.answer ? price - stored.answer : stored.answer - price;
        return step * 10_000 > int64(uint64(JUMP_BPS)) * stored.answer;
    }

    /// @dev Up to 15 % from the price, either way: beyond the 10 % of a step.
    function _moved(uint16 any) private pure returns (int64) {
        return PRICE * int64(uint64(8500 + uint256(any) % 3001)) / 10_000;
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
