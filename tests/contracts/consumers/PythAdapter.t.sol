// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {IPyth, PythPrice, PythPriceFeed} from "contracts/interfaces/IPyth.sol";
import {IPythAdapter} from "contracts/interfaces/IPythAdapter.sol";

import {Deploy} from "../Deploy.sol";
import {Answer} from "../FeedHubSetup.sol";
import {AdapterSetup} from "./AdapterSetup.sol";

contract PythAdapterTest is AdapterSetup {
    string private constant NAME = "PythAdapter";

    bytes32[] private ids;
    IPyth private pyth;

    function setUp() external {
        _deploy(1, 1, 3);
        ids = hub.feedIds();
        pyth = IPyth(Deploy.shipped(NAME, abi.encode(hub)));
    }

    function test_selectors_AreThoseOfPyth() external pure {
        assertEq(bytes32(IPyth.getPriceUnsafe.selector), hex"96834ad3", "unsafe");
        assertEq(bytes32(IPyth.getPriceNoOlderThan.selector), hex"a4ae35e0", "noOlderThan");
        assertEq(bytes32(IPyth.getEmaPriceUnsafe.selector), hex"9474f45b", "ema");
        assertEq(bytes32(IPyth.getEmaPriceNoOlderThan.selector), hex"711a2e28", "emaNoOlder");
        assertEq(bytes32(IPyth.updatePriceFeeds.selector), hex"ef9e5e28", "update");
        assertEq(bytes32(IPyth.updatePriceFeedsIfNecessary.selector), hex"b9256d28", "ifNecessary");
        assertEq(bytes32(IPyth.getUpdateFee.selector), hex"d47eed45", "fee");
        assertEq(bytes32(IPyth.getTwapUpdateFee.selector), hex"5f674e35", "twapFee");
        assertEq(bytes32(IPyth.parsePriceFeedUpdates.selector), hex"4716e9c5", "parse");
        assertEq(bytes32(IPyth.parsePriceFeedUpdatesUnique.selector), hex"accca7f9", "unique");
        assertEq(bytes32(IPyth.parsePriceFeedUpdatesWithConfig.selector), hex"3a229d18", "config");
        assertEq(bytes32(IPyth.parseTwapPriceFeedUpdates.selector), hex"eb942158", "twap");
        assertEq(bytes32(IPyth.PriceFeedNotFound.selector), hex"14aebe68", "notFound");
        assertEq(bytes32(IPyth.PriceFeedNotFoundWithinRange.selector), hex"45805f5d", "range");
        assertEq(bytes32(IPyth.StalePrice.selector), hex"19abf40e", "stale");
        assertEq(bytes32(IPyth.NoFreshUpdate.selector), hex"de2c57fa", "noFresh");
        assertEq(bytes32(IPyth.InvalidArgument.selector), hex"a9cb9e0d", "invalid");
    }

    function test_constructor_RevertWhen_TheHubIsNoContract() external {
        assertEq(
            _refusal(NAME, abi.encode(STRANGER)),
            abi.encodeWithSelector(IPythAdapter.PythAdapter_NoHub.selector, STRANGER),
            "reason"
        );
        assertEq(address(IPythAdapter(address(pyth)).hub()), address(hub), "hub");
    }

    function test_getPriceUnsafe_IsTheLatestHoweverOld() external {
        _submit(START - 7, 2, PRICE);
        vm.warp(START + 365 days);
        // A dispersion of 12 tenths of a basis point, rounded up.
        _assertPrice(pyth.getPriceUnsafe(ids[2]), PRICE, 30_001_482, -8, START - 7);
    }

    function testFuzz_getPriceUnsafe_IsThePlainModel(
        uint64 anyAnswer,
        uint8 anyDecimals,
        uint16 dispersion
    ) external {
        uint8 decimals = uint8(bound(anyDecimals, 0, 18));
        int64 answer = _anyAnswer(anyAnswer);
        (uint16 index, bytes32 feed) = _list(decimals);
        Answer[] memory answers = _one(index, answer);
        answers[0].dispersion = dispersion;
        hub.submit(_report(START, answers, 1));

        uint256 product = uint256(uint64(answer)) * dispersion;
        uint256 conf = product / 100_000 + (product % 100_000 == 0 ? 0 : 1);
        int32 expo = -int32(uint32(decimals));
        _assertPrice(pyth.getPriceUnsafe(feed), answer, conf, expo, START);
    }

    function test_getPrice_RevertWhen_TheFeedIsUnlistedOrNeverWritten() external {
        bytes32[2] memory none = [bytes32("x"), ids[2]];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(IPyth.PriceFeedNotFound.selector);
            pyth.getPriceUnsafe(none[i]);
            vm.expectRevert(IPyth.PriceFeedNotFound.selector);
            pyth.getPriceNoOlderThan(none[i], 60);
        }
    }

    /// @dev Such as one that ran out of gas: it is not for the adapter to say that there is no feed.
    function test_every_PassesOnAFailureToFindTheFeed() external {
        bytes memory reason = abi.encodeWithSelector(IFeedHub.FeedHub_NotLive.selector);
        bytes[] memory updates = _updates(START, PRICE);
        (bytes32[] memory wanted, uint64[] memory times) = _wanted(START);
        vm.mockCallRevert(address(hub), abi.encodeCall(hub.feedIndex, (ids[2])), reason);
        vm.expectRevert(reason);
        pyth.getPriceUnsafe(ids[2]);
        vm.expectRevert(reason);
        pyth.parsePriceFeedUpdates(updates, wanted, 0, type(uint64).max);
        vm.expectRevert(reason);
        pyth.updatePriceFeedsIfNecessary(updates, wanted, times);
        vm.mockCallRevert(address(hub), abi.encodeCall(hub.feedIndex, (ids[2])), "");
        vm.expectRevert(bytes(""));
        pyth.getPriceUnsafe(ids[2]);
    }

    function test_getPrice_RevertWhen_Paused() external {
        _submit(START, 2, PRICE);
        vm.prank(GUARDIAN);
        hub.pauseFeed(2);
        bytes memory reason =
            abi.encodeWithSelector(IFeedHub.FeedHub_FeedPaused.selector, 2, START + 7 days);
        vm.expectRevert(reason);
        pyth.getPriceUnsafe(ids[2]);
        vm.expectRevert(reason);
        pyth.getPriceNoOlderThan(ids[2], 60);
    }

    function test_getPriceNoOlderThan_BoundsTheAge() external {
        _submit(START, 2, PRICE);
        vm.warp(START + 60);
        _assertPrice(pyth.getPriceNoOlderThan(ids[2], 60), PRICE, 30_001_482, -8, START);
        _assertPrice(
            pyth.getPriceNoOlderThan(ids[2], type(uint256).max), PRICE, 30_001_482, -8, START
        );
        vm.expectRevert(IPyth.StalePrice.selector);
        pyth.getPriceNoOlderThan(ids[2], 59);
    }

    function test_getPriceNoOlderThan_BoundsTheFutureAsWell() external {
        _submit(START + 5, 2, PRICE);
        _assertPrice(pyth.getPriceNoOlderThan(ids[2], 5), PRICE, 30_001_482, -8, START + 5);
        vm.expectRevert(IPyth.StalePrice.selector);
        pyth.getPriceNoOlderThan(ids[2], 4);
    }

    function test_everyAverageAndUniqueParse_RevertsTyped() external {
        bytes[] memory none = new bytes[](0);
        bytes32[] memory no = new bytes32[](0);
        bytes[6] memory calls = [
            abi.encodeCall(pyth.getEmaPriceUnsafe, (ids[2])),
            abi.encodeCall(pyth.getEmaPriceNoOlderThan, (ids[2], 60)),
            abi.encodeCall(pyth.getTwapUpdateFee, (none)),
            abi.encodeCall(pyth.parseTwapPriceFeedUpdates, (none, no)),
            abi.encodeCall(pyth.parsePriceFeedUpdatesUnique, (none, no, 0, type(uint64).max)),
            abi.encodeCall(
                pyth.parsePriceFeedUpdatesWithConfig,
                (none, no, 0, type(uint64).max, false, false, false)
            )
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool isDone, bytes memory reason) = address(pyth).call(calls[i]);
            assertTrue(!isDone, "served");
            bytes memory wanted = abi.encodeWithSelector(
                IPythAdapter.PythAdapter_Unsupported.selector, bytes4(calls[i])
            );
            assertEq(reason, wanted, "reason");
        }
    }

    function test_getUpdateFee_IsNothing() external view {
        assertEq(pyth.getUpdateFee(_updates(START, PRICE)), 0, "fee");
    }

    function test_update_RevertWhen_ValueIsSent() external {
        vm.deal(address(this), 2);
        bytes memory reason = abi.encodeWithSelector(IPythAdapter.PythAdapter_ValueSent.selector, 1);
        bytes[] memory updates = _updates(START, PRICE);
        vm.expectRevert(reason);
        pyth.updatePriceFeeds{value: 1}(updates);
        (bytes32[] memory wanted, uint64[] memory times) = _wanted(START);
        vm.expectRevert(reason);
        pyth.updatePriceFeedsIfNecessary{value: 1}(updates, wanted, times);
    }

    function test_update_RevertWhen_ThereAreTooMany() external {
        vm.expectRevert(abi.encodeWithSelector(IPythAdapter.PythAdapter_TooMany.selector, 33, 32));
        pyth.updatePriceFeeds(new bytes[](33));
        vm.expectRevert(
            abi.encodeWithSelector(IPythAdapter.PythAdapter_TooMany.selector, 1025, 1024)
        );
        pyth.updatePriceFeedsIfNecessary(new bytes[](0), new bytes32[](1025), new uint64[](1025));
    }

    function test_updatePriceFeeds_StoresOurReports() external {
        bytes[] memory updates = new bytes[](2);
        updates[0] = _report(START - 1, _one(2, PRICE), 1);
        updates[1] = _report(START, _one(1, PRICE), 1);
        pyth.updatePriceFeeds(updates);
        assertEq(hub.read(2).observedAt, START - 1, "first");
        assertEq(hub.read(1).observedAt, START, "second");
        pyth.updatePriceFeeds(new bytes[](0));
    }

    function test_updatePriceFeeds_SucceedsWhenStoredAlready() external {
        bytes[] memory updates = _updates(START, PRICE);
        hub.submit(updates[0]);
        pyth.updatePriceFeeds(updates);
        _assertPrice(pyth.getPriceNoOlderThan(ids[2], 0), PRICE, 30_001_482, -8, START);
    }

    function test_updatePriceFeeds_SucceedsWhenNewerIsStored() external {
        bytes[] memory updates = _updates(START, PRICE);
        _submit(START + 1, 2, PRICE + 1);
        pyth.updatePriceFeeds(updates);
        assertEq(hub.read(2).observedAt, START + 1, "in the window");
        vm.warp(START + MAX_AGE_S + 1);
        pyth.updatePriceFeeds(updates);
        assertEq(hub.read(2).observedAt, START + 1, "older than the window");
    }

    /// @dev Alone the report lands in part; so the call must succeed after someone brought it.
    function test_updatePriceFeeds_SucceedsWhenTheRestOfAnOvertakenReportIsRefused() external {
        hub.submit(_report(START - 9, _many(3, 1, PRICE), 1));
        vm.prank(GUARDIAN);
        hub.pauseFeed(2);
        Answer[] memory answers = _many(3, 1, PRICE);
        answers[1].value = 2 * PRICE;
        bytes[] memory updates = new bytes[](1);
        updates[0] = _report(START, answers, 1);
        hub.submit(updates[0]);
        pyth.updatePriceFeeds(updates);
        (bytes32[] memory wanted, uint64[] memory times) = _wanted(START);
        pyth.updatePriceFeedsIfNecessary(updates, wanted, times);
        assertEq(hub.read(0).observedAt, START, "landed");
        assertEq(hub.read(1).observedAt, START - 9, "refused");
    }

    /// @dev Alone the report lands. Someone brings one from which its step is too large.
    function test_updatePriceFeeds_SucceedsWhenARoundInBetweenMakesItAJump() external {
        _submit(START - 9, 2, PRICE);
        bytes[] memory updates = _updates(START, PRICE * 109 / 100);
        _submit(START - 5, 2, PRICE * 91 / 100);
        pyth.updatePriceFeeds(updates);
        (bytes32[] memory wanted, uint64[] memory times) = _wanted(START);
        pyth.updatePriceFeedsIfNecessary(updates, wanted, times);
        assertEq(pyth.getPriceNoOlderThan(ids[2], 5).price, PRICE * 91 / 100, "in between");
        vm.expectRevert(IPyth.StalePrice.selector);
        pyth.getPriceNoOlderThan(ids[2], 4);
    }

    /// @dev No round of the window is there that could have come in between.
    function test_updatePriceFeeds_RevertWhen_NothingLandsAndTheHubHasNothingOfItsWindow()
        external
    {
        bytes memory reason = abi.encodeWithSelector(IFeedHub.FeedHub_NothingLanded.selector);
        _assertUpdateReverts(_report(START, _one(2, MAX_ANSWER + 1), 1), reason);
        _submit(START, 2, PRICE);
        vm.warp(START + MAX_AGE_S + 1);
        bytes[] memory updates = _updates(block.timestamp, 2 * PRICE);
        _assertUpdateReverts(updates[0], reason);
        vm.warp(START + MAX_AGE_S);
        updates = _updates(block.timestamp, 2 * PRICE);
        pyth.updatePriceFeeds(updates);
        assertEq(hub.read(2).observedAt, START, "as it was");
    }

    function test_updatePriceFeeds_RevertWhen_TheReportIsTooOldAndNotAllIsStored() external {
        _submit(START - 1, 2, PRICE);
        _submit(START + 1, 1, PRICE);
        bytes memory report = _report(START, _many(3, 1, PRICE), 1);
        vm.warp(START + MAX_AGE_S + 1);
        _assertUpdateReverts(
            report, abi.encodeWithSelector(IFeedHub.FeedHub_ReportTooOld.selector, START, START + 1)
        );
    }

    function test_updatePriceFeeds_RevertWhen_TheReportIsTooOldAndNewerIsNotStored() external {
        bytes memory report = _report(START, _one(2, PRICE), 1);
        vm.warp(START + MAX_AGE_S + 1);
        _assertUpdateReverts(
            report, abi.encodeWithSelector(IFeedHub.FeedHub_ReportTooOld.selector, START, START + 1)
        );
    }

    function test_updatePriceFeeds_RevertWhen_TheFeedIsPaused() external {
        bytes memory report = _report(START, _one(2, PRICE), 1);
        hub.submit(report);
        vm.prank(GUARDIAN);
        hub.pauseFeed(2);
        _assertUpdateReverts(
            report, abi.encodeWithSelector(IFeedHub.FeedHub_NothingLanded.selector)
        );
    }

    function test_updatePriceFeeds_RevertWhen_TheSignatureIsForgedThoughNewerIsStored() external {
        _submit(START + 1, 2, PRICE);
        bytes memory report = _report(START, _one(2, PRICE), 1);
        report[report.length - 1] ^= 0x01;
        bytes[] memory updates = new bytes[](1);
        updates[0] = report;
        vm.expectPartialRevert(IFeedHub.FeedHub_BadSignature.selector);
        pyth.updatePriceFeeds(updates);
    }

    function test_updatePriceFeeds_StoresNothingWhenOneUpdateIsRefused() external {
        bytes[] memory updates = new bytes[](2);
        updates[0] = _report(START, _one(2, PRICE), 1);
        updates[1] = hex"01";
        (bool isDone,) = address(pyth).call(abi.encodeCall(pyth.updatePriceFeeds, (updates)));
        assertTrue(!isDone, "taken");
        vm.expectRevert(IPyth.PriceFeedNotFound.selector);
        pyth.getPriceUnsafe(ids[2]);
    }

    function test_updatePriceFeedsIfNecessary_UpdatesWhatIsOlder() external {
        (bytes32[] memory wanted, uint64[] memory times) = _wanted(START);
        pyth.updatePriceFeedsIfNecessary(_updates(START, PRICE), wanted, times);
        assertEq(hub.read(2).observedAt, START, "never written before");
        (wanted, times) = _wanted(START + 1);
        pyth.updatePriceFeedsIfNecessary(_updates(START + 1, PRICE), wanted, times);
        assertEq(hub.read(2).observedAt, START + 1, "older before");
        wanted[0] = "x";
        pyth.updatePriceFeedsIfNecessary(_updates(START + 2, PRICE), wanted, times);
        assertEq(hub.read(2).observedAt, START + 2, "an id that is not listed");
    }

    function test_updatePriceFeedsIfNecessary_RevertWhen_NothingIsOlder() external {
        _submit(START, 2, PRICE);
        (bytes32[] memory wanted, uint64[] memory times) = _wanted(START);
        bytes[] memory updates = _updates(START + 1, PRICE);
        vm.expectRevert(IPyth.NoFreshUpdate.selector);
        pyth.updatePriceFeedsIfNecessary(updates, wanted, times);
        vm.expectRevert(IPyth.NoFreshUpdate.selector);
        pyth.updatePriceFeedsIfNecessary(updates, new bytes32[](0), new uint64[](0));
    }

    function test_updatePriceFeedsIfNecessary_RevertWhen_LengthsDiffer() external {
        vm.expectRevert(IPyth.InvalidArgument.selector);
        pyth.updatePriceFeedsIfNecessary(new bytes[](0), new bytes32[](1), new uint64[](2));
    }

    // --- parsePriceFeedUpdates ---

    function test_parse_GivesThePricesInTheOrderAskedAndStoresNone() external {
        bytes[] memory updates = new bytes[](2);
        updates[0] = _report(START - 2, _one(2, PRICE), 1);
        updates[1] = _report(START - 1, _many(2, 1, PRICE), 1);
        bytes32[] memory asked = new bytes32[](4);
        (asked[0], asked[1], asked[2], asked[3]) = (ids[1], ids[2], ids[0], ids[1]);
        PythPriceFeed[] memory feeds =
            pyth.parsePriceFeedUpdates(updates, asked, uint64(START - 2), uint64(START - 1));
        assertEq(feeds.length, 4, "feeds");
        _assertFeed(feeds[0], ids[1], PRICE + 1, START - 1);
        _assertFeed(feeds[1], ids[2], PRICE, START - 2);
        _assertFeed(feeds[2], ids[0], PRICE, START - 1);
        _assertFeed(feeds[3], ids[1], PRICE + 1, START - 1);
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(IPyth.PriceFeedNotFound.selector);
            pyth.getPriceUnsafe(ids[i]);
        }
    }

    function test_parse_TakesAReportOlderThanStoredAndAnyStep() external {
        _submit(START, 2, PRICE);
        bytes[] memory updates = _updates(START - 1, PRICE * 2);
        _assertFeed(_parse(updates, START - 1, START - 1), ids[2], PRICE * 2, START - 1);
    }

    function test_parse_TakesBothEndsOfTheRangeAndNoMore() external {
        bytes[] memory updates = _updates(START, PRICE);
        _assertFeed(_parse(updates, START, START), ids[2], PRICE, START);
        _assertFeed(_parse(updates, 0, type(uint64).max), ids[2], PRICE, START);
        uint256[2][3] memory ranges = [[START + 1, START + 9], [0, START - 1], [START + 1, START]];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(IPyth.PriceFeedNotFoundWithinRange.selector);
            this.parse(updates, ranges[i][0], ranges[i][1]);
        }
    }

    function test_parse_TakesTheFirstUpdateInTheRange() external {
        bytes[] memory updates = new bytes[](3);
        updates[0] = _report(START - 9, _one(2, PRICE - 9), 1);
        updates[1] = _report(START - 4, _one(2, PRICE - 4), 1);
        updates[2] = _report(START, _one(2, PRICE), 1);
        _assertFeed(_parse(updates, START - 5, START), ids[2], PRICE - 4, START - 4);
    }

    function test_parse_RevertWhen_AnIdIsNotInTheUpdates() external {
        bytes[] memory updates = _updates(START, PRICE);
        bytes32[] memory asked = new bytes32[](2);
        asked[0] = ids[2];
        bytes32[2] memory missing = [ids[1], bytes32("x")];
        for (uint256 i = 0; i < 2; ++i) {
            asked[1] = missing[i];
            vm.expectRevert(IPyth.PriceFeedNotFoundWithinRange.selector);
            pyth.parsePriceFeedUpdates(updates, asked, 0, type(uint64).max);
        }
        vm.expectRevert(IPyth.PriceFeedNotFoundWithinRange.selector);
        this.parse(new bytes[](0), 0, type(uint64).max);
    }

    /// @dev One that was overtaken on its way spoils nothing for the others.
    function test_parse_LeavesOutUpdatesOutsideTheRange() external {
        bytes[] memory updates = new bytes[](4);
        updates[0] = _report(START - MAX_AGE_S - 1, _one(2, PRICE - 1), 1);
        updates[1] = _report(START - 9, _one(2, PRICE - 2), 1);
        updates[1][updates[1].length - 1] ^= 0x01;
        updates[2] = _report(START, _one(2, PRICE), 1);
        updates[3] = _report(START + SKEW_S + 1, _one(2, PRICE + 1), 1);
        _assertFeed(_parse(updates, START - 8, START), ids[2], PRICE, START);
    }

    function test_parse_RevertWhen_AnyUpdateOfTheRangeIsUnsound() external {
        bytes[] memory updates = new bytes[](2);
        updates[0] = _report(START, _one(2, PRICE), 1);
        // Of no feed that is asked for.
        updates[1] = _report(START - 9, _one(1, PRICE), 1);
        updates[1][updates[1].length - 1] ^= 0x01;
        vm.expectPartialRevert(IFeedHub.FeedHub_BadSignature.selector);
        this.parse(updates, START - 9, START);
        updates[1] = _report(START - MAX_AGE_S - 1, _one(1, PRICE), 1);
        vm.expectPartialRevert(IFeedHub.FeedHub_ReportTooOld.selector);
        this.parse(updates, 0, START);
        // Without the form of a report it has no moment.
        updates[1] = hex"01";
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_EntryCount.selector, 0, 1024));
        this.parse(updates, START, START);
        vm.prank(GUARDIAN);
        hub.pauseFeed(2);
        updates = _updates(START, PRICE);
        vm.expectPartialRevert(IFeedHub.FeedHub_FeedPaused.selector);
        this.parse(updates, START, START);
    }

    function test_parse_OfNothingIsNothing() external {
        bytes32[] memory no = new bytes32[](0);
        assertEq(pyth.parsePriceFeedUpdates(new bytes[](0), no, 0, 0).length, 0, "no updates");
        assertEq(pyth.parsePriceFeedUpdates(_updates(START, PRICE), no, 0, 0).length, 0, "no ids");
    }

    function test_parse_RevertWhen_ValueIsSentOrThereAreTooMany() external {
        vm.deal(address(this), 1);
        bytes32[] memory no = new bytes32[](0);
        vm.expectRevert(abi.encodeWithSelector(IPythAdapter.PythAdapter_ValueSent.selector, 1));
        pyth.parsePriceFeedUpdates{value: 1}(new bytes[](0), no, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IPythAdapter.PythAdapter_TooMany.selector, 33, 32));
        pyth.parsePriceFeedUpdates(new bytes[](33), no, 0, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IPythAdapter.PythAdapter_TooMany.selector, 1025, 1024)
        );
        pyth.parsePriceFeedUpdates(new bytes[](0), new bytes32[](1025), 0, 0);
    }

    /// @dev A call of its own, for `expectRevert`.
    function parse(bytes[] memory updates, uint256 from, uint256 to)
        external
        returns (PythPriceFeed memory)
    {
        return _parse(updates, from, to);
    }

    /// @dev Feed 2 alone.
    function _parse(bytes[] memory updates, uint256 from, uint256 to)
        private
        returns (PythPriceFeed memory)
    {
        bytes32[] memory asked = new bytes32[](1);
        asked[0] = ids[2];
        return pyth.parsePriceFeedUpdates(updates, asked, uint64(from), uint64(to))[0];
    }

    function _assertFeed(PythPriceFeed memory seen, bytes32 id, int64 price, uint256 publishTime)
        private
        pure
    {
        assertEq(seen.id, id, "id");
        // A dispersion of 12 tenths of a basis point, rounded up.
        uint256 conf = (uint64(price) * uint256(12) + 99_999) / 100_000;
        _assertPrice(seen.price, price, conf, -8, publishTime);
        _assertPrice(seen.emaPrice, 0, 0, 0, 0);
    }

    function _updates(uint256 observedAt, int64 price) private view returns (bytes[] memory all) {
        all = new bytes[](1);
        all[0] = _report(observedAt, _one(2, price), 1);
    }

    function _wanted(uint256 publishTime)
        private
        view
        returns (bytes32[] memory wanted, uint64[] memory times)
    {
        (wanted, times) = (new bytes32[](1), new uint64[](1));
        (wanted[0], times[0]) = (ids[2], uint64(publishTime));
    }

    function _assertUpdateReverts(bytes memory report, bytes memory reason) private {
        bytes[] memory updates = new bytes[](1);
        updates[0] = report;
        vm.expectRevert(reason);
        pyth.updatePriceFeeds(updates);
    }

    function _assertPrice(
        PythPrice memory seen,
        int64 price,
        uint256 conf,
        int32 expo,
        uint256 publishTime
    ) private pure {
        assertEq(abi.encode(seen), abi.encode(price, conf, expo, publishTime), "price");
    }
}
