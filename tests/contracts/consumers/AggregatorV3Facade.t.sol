// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorV3Facade} from "contracts/consumers/AggregatorV3Facade.sol";
import {AggregatorV3Interface} from "contracts/interfaces/AggregatorV3Interface.sol";
import {IAggregatorV3Facade} from "contracts/interfaces/IAggregatorV3Facade.sol";
import {IFeedHub} from "contracts/interfaces/IFeedHub.sol";

import {FeedHubSetup} from "../FeedHubSetup.sol";

contract AggregatorV3FacadeTest is FeedHubSetup {
    int64 private constant PRICE = 5_000_000_000;

    AggregatorV3Facade private facade;
    bytes32 private id;

    function setUp() external {
        _deploy(1, 1, 3);
        id = hub.feedIds()[2];
        facade = new AggregatorV3Facade(hub, id, 60, "LINK / USD");
    }

    function test_selectors_AreThoseOfChainlink() external pure {
        assertEq(bytes32(AggregatorV3Interface.latestRoundData.selector), hex"feaf968c", "latest");
        assertEq(bytes32(AggregatorV3Interface.getRoundData.selector), hex"9a6fc8f5", "get");
        assertEq(bytes32(AggregatorV3Interface.decimals.selector), hex"313ce567", "decimals");
        assertEq(bytes32(AggregatorV3Interface.description.selector), hex"7284e416", "text");
        assertEq(bytes32(AggregatorV3Interface.version.selector), hex"54fd4d50", "version");
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
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_UnknownFeed.selector, bytes32("x")));
        new AggregatorV3Facade(hub, "x", 60, "");
    }

    function test_latestRoundData_IsTheHubsRound() external {
        hub.submit(_report(START - 7, _one(2, PRICE), 1));
        _assertRound(START - 7);
    }

    function test_latestRoundData_TakesAMomentAheadOfTheBlock() external {
        hub.submit(_report(START + SKEW_S, _one(2, PRICE), 1));
        _assertRound(START + SKEW_S);
    }

    function test_latestRoundData_RevertWhen_Stale() external {
        hub.submit(_report(START, _one(2, PRICE), 1));
        vm.warp(START + 60);
        _assertRound(START);
        vm.warp(START + 61);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAggregatorV3Facade.AggregatorV3Facade_Stale.selector, START, START + 1
            )
        );
        facade.latestRoundData();
    }

    function test_latestRoundData_LeavesAgeToTheConsumerWhenZero() external {
        facade = new AggregatorV3Facade(hub, id, 0, "");
        hub.submit(_report(START, _one(2, PRICE), 1));
        vm.warp(START + 365 days);
        _assertRound(START);
    }

    function test_latestRoundData_RevertWhen_NeverWritten() external {
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_NeverWritten.selector, 2));
        facade.latestRoundData();
    }

    function test_getRoundData_IsTheLatestRound() external {
        hub.submit(_report(START, _one(2, PRICE), 1));
        (uint80 roundId, int256 answer,,,) = facade.getRoundData(uint80(START));
        assertEq(roundId, START, "round");
        assertEq(answer, PRICE, "answer");
    }

    function test_getRoundData_RevertWhen_RoundIsNotTheLatest() external {
        hub.submit(_report(START, _one(2, PRICE), 1));
        vm.expectRevert(
            abi.encodeWithSelector(
                IAggregatorV3Facade.AggregatorV3Facade_UnknownRound.selector, START - 1, START
            )
        );
        facade.getRoundData(uint80(START - 1));
    }

    function _assertRound(uint256 observedAt) private view {
        (uint80 round, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) =
            facade.latestRoundData();
        assertEq(round, observedAt, "roundId");
        assertEq(answer, PRICE, "answer");
        assertEq(startedAt, observedAt, "startedAt");
        assertEq(updatedAt, observedAt, "updatedAt");
        assertEq(answeredIn, observedAt, "answeredInRound");
    }
}
