// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorInterface} from "contracts/interfaces/AggregatorInterface.sol";
import {AggregatorV3Interface} from "contracts/interfaces/AggregatorV3Interface.sol";
import {IAggregatorV3Facade} from "contracts/interfaces/IAggregatorV3Facade.sol";
import {FeedListing, IFeedHub} from "contracts/interfaces/IFeedHub.sol";

import {Deploy} from "../Deploy.sol";
import {FeedHubSetup} from "../FeedHubSetup.sol";
import {ChainlinkV2Consumer, ChainlinkV3Consumer} from "../fakes/ChainlinkConsumers.sol";

contract AggregatorV3FacadeTest is FeedHubSetup {
    int64 private constant PRICE = 5_000_000_000;

    IAggregatorV3Facade private facade;
    bytes32 private id;

    function setUp() external {
        _deploy(1, 1, 3);
        id = hub.feedIds()[2];
        facade = _facade(60);
    }

    function test_selectors_AreThoseOfChainlink() external pure {
        assertEq(bytes32(AggregatorV3Interface.latestRoundData.selector), hex"feaf968c", "latest");
        assertEq(bytes32(AggregatorV3Interface.getRoundData.selector), hex"9a6fc8f5", "get");
        assertEq(bytes32(AggregatorV3Interface.decimals.selector), hex"313ce567", "decimals");
        assertEq(bytes32(AggregatorV3Interface.description.selector), hex"7284e416", "text");
        assertEq(bytes32(AggregatorV3Interface.version.selector), hex"54fd4d50", "version");
        assertEq(bytes32(AggregatorInterface.latestAnswer.selector), hex"50d25bcd", "answer");
        assertEq(bytes32(AggregatorInterface.latestTimestamp.selector), hex"8205bf6a", "timestamp");
        assertEq(bytes32(AggregatorInterface.latestRound.selector), hex"668a0f02", "round");
        assertEq(bytes32(AggregatorInterface.getAnswer.selector), hex"b5ab58dc", "getAnswer");
        assertEq(bytes32(AggregatorInterface.getTimestamp.selector), hex"b633620c", "getTimestamp");
    }

    function test_constructor_KeepsWhatItServes() external view {
        assertEq(address(facade.hub()), address(hub), "hub");
        assertEq(facade.feedId(), id, "feed");
        assertEq(facade.maxAge_s(), 60, "age");
        assertEq(facade.decimals(), 8, "decimals");
        assertEq(bytes(facade.description()), bytes("LINK / USD"), "description");
        assertEq(facade.version(), 1, "version");
    }

    function test_constructor_RevertWhen_FeedIsUnlisted() external {
        id = "x";
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_UnknownFeed.selector, id));
        _facade(60);
    }

    function test_constructor_RevertWhen_AliasIsUnknown() external {
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_UnknownAlias.selector, bytes32("LINK/USD"))
        );
        _following("LINK/USD");
    }

    function test_constructor_RevertWhen_NeitherOrBothOfFeedAndAlias() external {
        bytes32[2][2] memory bad = [[bytes32(0), 0], [id, bytes32("LINK/USD")]];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAggregatorV3Facade.AggregatorV3Facade_FeedOrAlias.selector,
                    bad[i][0],
                    bad[i][1]
                )
            );
            this.deployFacade(bad[i][0], bad[i][1]);
        }
    }

    /// @dev A call of its own, for `expectRevert`.
    function deployFacade(bytes32 pinnedId, bytes32 aliasName) external {
        Deploy.facade(hub, pinnedId, aliasName, 60, "");
    }

    function test_everyGetter_FollowsAnAlias() external {
        bytes32[] memory ids = hub.feedIds();
        hub.submit(_report(START - 2, _one(1, PRICE), 1));
        _govern(hub, abi.encodeCall(IFeedHub.setAlias, ("LINK/USD", 1)));
        facade = _following("LINK/USD");
        assertEq(facade.aliasName(), "LINK/USD", "name");
        assertEq(facade.feedId(), ids[1], "feed");
        assertEq(facade.decimals(), 8, "decimals");
        _assertRound(START - 2, START - 2);
        hub.submit(_report(START - 1, _one(2, PRICE), 1));
        _govern(hub, abi.encodeCall(IFeedHub.setAlias, ("LINK/USD", 2)));
        assertEq(facade.feedId(), ids[2], "moved");
        _assertRound(START - 1, START - 1);
        // The round of the feed before is not one of this feed.
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_UnknownRound.selector, 2, START - 2, START - 1)
        );
        facade.getRoundData(uint80(START - 2));
        vm.warp(START + 60);
        _assertEveryGetterReverts(
            START - 1,
            abi.encodeWithSelector(
                IAggregatorV3Facade.AggregatorV3Facade_Stale.selector, START - 1, START
            )
        );
    }

    function test_everyGetter_StaysPinnedWhenAnAliasMoves() external {
        hub.submit(_report(START, _one(2, PRICE), 1));
        _govern(hub, abi.encodeCall(IFeedHub.setAlias, ("LINK/USD", 2)));
        hub.submit(_report(START, _one(1, PRICE + 1), 1));
        _govern(hub, abi.encodeCall(IFeedHub.setAlias, ("LINK/USD", 1)));
        assertEq(facade.aliasName(), 0, "no name");
        _assertRound(START, START);
    }

    function _following(bytes32 name) private returns (IAggregatorV3Facade) {
        return Deploy.facade(hub, 0, name, 60, "LINK / USD");
    }

    function test_latestRoundData_IsTheHubsRound() external {
        hub.submit(_report(START - 7, _one(2, PRICE), 1));
        _assertRound(START - 7, START - 7);
    }

    function test_latestRoundData_IsNeverUpdatedAfterTheBlock() external {
        hub.submit(_report(START + SKEW_S, _one(2, PRICE), 1));
        _assertRound(START + SKEW_S, START);
        vm.warp(START + SKEW_S + 1);
        _assertRound(START + SKEW_S, START + SKEW_S);
    }

    function test_everyGetter_ServesARoundAsOldAsAllowed() external {
        hub.submit(_report(START, _one(2, PRICE), 1));
        vm.warp(START + 60);
        _assertRound(START, START);
    }

    function test_everyGetter_RevertWhen_Stale() external {
        hub.submit(_report(START, _one(2, PRICE), 1));
        vm.warp(START + 61);
        _assertEveryGetterReverts(
            START,
            abi.encodeWithSelector(
                IAggregatorV3Facade.AggregatorV3Facade_Stale.selector, START, START + 1
            )
        );
    }

    function test_everyGetter_LeavesAgeToTheConsumerWhenZero() external {
        facade = _facade(0);
        hub.submit(_report(START, _one(2, PRICE), 1));
        vm.warp(START + 365 days);
        _assertRound(START, START);
    }

    function test_everyGetter_TakesAnAgeBeyondTheEpoch() external {
        facade = _facade(type(uint32).max);
        hub.submit(_report(START, _one(2, PRICE), 1));
        _assertRound(START, START);
    }

    function test_everyGetter_RevertWhen_NeverWritten() external view {
        _assertLatestGettersRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_NeverWritten.selector, 2)
        );
        _assertRoundGettersRevert(
            START, abi.encodeWithSelector(IFeedHub.FeedHub_UnknownRound.selector, 2, START, 0)
        );
    }

    function test_everyGetter_RevertWhen_Paused() external {
        hub.submit(_report(START, _one(2, PRICE), 1));
        vm.prank(GUARDIAN);
        hub.pauseFeed(2);
        _assertEveryGetterReverts(
            START, abi.encodeWithSelector(IFeedHub.FeedHub_FeedPaused.selector, 2, START + 7 days)
        );
    }

    function testFuzz_roundGetters_RevertWhen_RoundIsAfterTheLatest(uint256 roundId) external {
        hub.submit(_report(START, _one(2, PRICE), 1));
        uint256 later = bound(roundId, START + 1, type(uint32).max);
        _assertRoundGettersRevert(
            later, abi.encodeWithSelector(IFeedHub.FeedHub_UnknownRound.selector, 2, later, START)
        );
        // No moment, though its last 32 bits are that of the latest round.
        bytes4 reason = IAggregatorV3Facade.AggregatorV3Facade_UnknownRound.selector;
        uint256 beyond = bound(roundId, 1, type(uint48).max) << 32 | START;
        _assertRoundGettersRevert(beyond, abi.encodeWithSelector(reason, beyond, type(uint32).max));
        vm.expectRevert(abi.encodeWithSelector(reason, type(uint256).max, type(uint32).max));
        facade.getAnswer(type(uint256).max);
    }

    function test_roundGetters_RevertWhen_RoundIsFormerAndNotKept() external {
        hub.submit(_report(START - 1, _one(2, PRICE), 1));
        hub.submit(_report(START, _one(2, PRICE + 1), 1));
        bytes memory reason =
            abi.encodeWithSelector(IFeedHub.FeedHub_UnknownRound.selector, 2, START - 1, START);
        vm.expectRevert(reason);
        facade.getRoundData(uint80(START - 1));
        vm.expectRevert(reason);
        facade.getAnswer(START - 1);
        vm.expectRevert(reason);
        facade.getTimestamp(START - 1);
    }

    function test_roundGetters_ServeFormerRoundsOfAFeedThatKeepsThem() external {
        FeedListing memory listing = _listing(77);
        listing.historyRounds = 3;
        _govern(hub, abi.encodeCall(IFeedHub.listFeed, (listing)));
        hub.rebuild();
        id = hub.feedIds()[3];
        facade = _facade(60);
        for (uint256 n = 0; n < 4; ++n) {
            hub.submit(_report(START - 3 + n, _one(3, PRICE + int64(uint64(n))), 1));
        }
        for (uint256 n = 1; n < 4; ++n) {
            uint256 roundId = START - 3 + n;
            (uint80 round, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) =
                facade.getRoundData(uint80(roundId));
            assertEq(answer, PRICE + int256(n), "answer");
            assertEq(
                abi.encode(round, startedAt, updatedAt, answeredIn),
                abi.encode(roundId, roundId, roundId, roundId),
                "round"
            );
            assertEq(facade.getAnswer(roundId), answer, "getAnswer");
            assertEq(facade.getTimestamp(roundId), updatedAt, "getTimestamp");
        }
        vm.expectPartialRevert(IFeedHub.FeedHub_UnknownRound.selector);
        facade.getRoundData(uint80(START - 3));
        // The age that it serves bounds the latest round alone.
        vm.warp(START + 365 days);
        assertEq(facade.getAnswer(START - 1), PRICE + 2, "a former round");
        _assertRoundGettersRevert(
            START,
            abi.encodeWithSelector(
                IAggregatorV3Facade.AggregatorV3Facade_Stale.selector, START, START + 365 days - 60
            )
        );
        // So do bounds that only the latest is outside of; and a pause hides all.
        _govern(hub, abi.encodeCall(hub.setFeedLimits, (3, PRICE, PRICE + 2, 1000, 3600)));
        assertEq(facade.getAnswer(START - 1), PRICE + 2, "the latest is out of bounds");
        vm.expectPartialRevert(IFeedHub.FeedHub_OutOfBounds.selector);
        facade.getAnswer(START);
        vm.prank(GUARDIAN);
        hub.pauseFeed(3);
        vm.expectPartialRevert(IFeedHub.FeedHub_FeedPaused.selector);
        facade.getAnswer(START - 1);
    }

    function test_aConsumerOfChainlinkV3_RunsUnchanged() external {
        facade = _facade(0);
        ChainlinkV3Consumer consumer = new ChainlinkV3Consumer(address(facade), 3600);
        // Ahead of the block, where a subtraction without care would underflow.
        hub.submit(_report(START + SKEW_S, _one(2, PRICE), 1));
        assertEq(consumer.price(), 50e18, "price");
        vm.warp(START + SKEW_S + 3600);
        assertEq(consumer.price(), 50e18, "an hour later");
        vm.warp(START + SKEW_S + 3601);
        vm.expectRevert(ChainlinkV3Consumer.StalePrice.selector);
        consumer.price();
    }

    function test_aConsumerOfChainlinkV2_RunsUnchanged() external {
        ChainlinkV2Consumer consumer = new ChainlinkV2Consumer(address(facade));
        hub.submit(_report(START + SKEW_S, _one(2, PRICE), 1));
        (uint256 price, uint256 age_s) = consumer.priceAndAge();
        assertEq(price, uint64(PRICE), "price");
        assertEq(age_s, 0, "age");
        vm.warp(START + SKEW_S + 30);
        (, age_s) = consumer.priceAndAge();
        assertEq(age_s, 30, "later");
    }

    function _facade(uint32 maxAge_s) private returns (IAggregatorV3Facade) {
        return Deploy.aggregatorV3Facade(hub, id, maxAge_s, "LINK / USD");
    }

    /// @dev The latest round, by each of the getters.
    function _assertRound(uint256 roundId, uint256 at_) private view {
        (uint80 round, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) =
            facade.latestRoundData();
        assertEq(round, roundId, "roundId");
        assertEq(answer, PRICE, "answer");
        assertEq(startedAt, at_, "startedAt");
        assertEq(updatedAt, at_, "updatedAt");
        assertEq(answeredIn, roundId, "answeredInRound");
        (uint80 same, int256 answer2, uint256 startedAt2, uint256 updatedAt2, uint80 answeredIn2) =
            facade.getRoundData(round);
        assertEq(
            abi.encode(same, answer2, startedAt2, updatedAt2, answeredIn2),
            abi.encode(round, answer, startedAt, updatedAt, answeredIn),
            "getRoundData"
        );
        assertEq(facade.latestAnswer(), PRICE, "latestAnswer");
        assertEq(facade.latestTimestamp(), at_, "latestTimestamp");
        assertEq(facade.latestRound(), roundId, "latestRound");
        assertEq(facade.getAnswer(roundId), PRICE, "getAnswer");
        assertEq(facade.getTimestamp(roundId), at_, "getTimestamp");
    }

    function _assertEveryGetterReverts(uint256 roundId, bytes memory reason) private view {
        _assertLatestGettersRevert(reason);
        _assertRoundGettersRevert(roundId, reason);
    }

    function _assertLatestGettersRevert(bytes memory reason) private view {
        _assertReverts(abi.encodeCall(facade.latestRoundData, ()), reason);
        _assertReverts(abi.encodeCall(facade.latestAnswer, ()), reason);
        _assertReverts(abi.encodeCall(facade.latestTimestamp, ()), reason);
        _assertReverts(abi.encodeCall(facade.latestRound, ()), reason);
    }

    function _assertRoundGettersRevert(uint256 roundId, bytes memory reason) private view {
        _assertReverts(abi.encodeCall(facade.getRoundData, (uint80(roundId))), reason);
        _assertReverts(abi.encodeCall(facade.getAnswer, (roundId)), reason);
        _assertReverts(abi.encodeCall(facade.getTimestamp, (roundId)), reason);
    }

    function _assertReverts(bytes memory call, bytes memory reason) private view {
        (bool isDone, bytes memory seen) = address(facade).staticcall(call);
        assertTrue(!isDone, "served");
        assertEq(seen, reason, "reason");
    }
}
