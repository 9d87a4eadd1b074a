// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPriceConsumer} from "contracts/interfaces/IPriceConsumer.sol";

import {Deploy} from "../../Deploy.sol";
import {FeedHubSetup} from "../../FeedHubSetup.sol";
import {FakeAggregator} from "../../fakes/FakeAggregator.sol";

contract PriceConsumerTest is FeedHubSetup {
    FakeAggregator private feed;
    IPriceConsumer private consumer;

    function setUp() external {
        vm.warp(START);
        feed = new FakeAggregator();
        consumer = Deploy.priceConsumer(feed, 60);
    }

    function test_price_IsWhatTheFeedSays() external {
        feed.set(42, START - 60, 9, 9);
        (int256 answer, uint8 decimals, uint256 updatedAt) = consumer.price();
        assertEq(answer, 42, "answer");
        assertEq(decimals, 8, "decimals");
        assertEq(updatedAt, START - 60, "updatedAt");
        assertEq(address(consumer.feed()), address(feed), "feed");
        assertEq(consumer.maxAge_s(), 60, "maxAge_s");
    }

    function test_store_KeepsTheLastPrice() external {
        feed.set(42, START, 9, 9);
        vm.expectEmit();
        emit IPriceConsumer.PriceStored(42, 8, START);
        consumer.store();
        feed.set(0, START, 10, 10);
        (int256 answer, uint256 updatedAt) = consumer.storedPrice();
        assertEq(answer, 42, "answer");
        assertEq(updatedAt, START, "updatedAt");
    }

    function test_store_ReadsAHubThroughItsFacade() external {
        _deploy(1, 1, 1);
        hub.submit(_report(START, _one(0, 5_000_000_000), 1));
        bytes32 id = hub.feedIds()[0];
        consumer = Deploy.priceConsumer(Deploy.aggregatorV3Facade(hub, id, 0, "ETH / USD"), 60);
        (int256 answer, uint8 decimals, uint256 updatedAt) = consumer.store();
        assertEq(answer, 5_000_000_000, "answer");
        assertEq(decimals, 8, "decimals");
        assertEq(updatedAt, START, "updatedAt");
    }

    function test_price_RevertWhen_ThereIsNone() external {
        int256[2] memory answers = [int256(0), -1];
        for (uint256 i = 0; i < 2; ++i) {
            feed.set(answers[i], START, 9, 9);
            vm.expectRevert(
                abi.encodeWithSelector(IPriceConsumer.PriceConsumer_NoPrice.selector, answers[i])
            );
            consumer.price();
        }
    }

    function test_price_RevertWhen_Stale() external {
        feed.set(42, START - 61, 9, 9);
        vm.expectRevert(
            abi.encodeWithSelector(
                IPriceConsumer.PriceConsumer_Stale.selector, START - 61, START - 60
            )
        );
        consumer.price();
    }

    function test_price_RevertWhen_CarriedOver() external {
        feed.set(42, START, 9, 8);
        vm.expectRevert(
            abi.encodeWithSelector(IPriceConsumer.PriceConsumer_CarriedOver.selector, 8, 9)
        );
        consumer.price();
    }
}
