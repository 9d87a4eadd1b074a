// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guards, OracleReader} from "contracts/consumers/OracleReader.sol";
import {IFeedHub, Round} from "contracts/interfaces/IFeedHub.sol";
import {TeeKind, Tier} from "contracts/types/Tee.sol";

import {Answer, FeedHubSetup} from "../FeedHubSetup.sol";
import {FakeAggregator} from "../fakes/FakeAggregator.sol";
import {GuardedConsumer} from "../fakes/GuardedConsumer.sol";

contract OracleReaderTest is FeedHubSetup {
    int64 private constant PRICE = 5_000_000_000;

    GuardedConsumer private consumer;

    function setUp() external {
        _deploy(1, 1, 3);
        consumer = new GuardedConsumer();
        Answer[] memory answers = _many(3, 1, PRICE);
        answers[1] = Answer(1, PRICE + 1, 40, 5, 0x0F);
        hub.submit(_report(START, answers, 1));
    }

    function test_read_IsTheHubsRoundAtTheLimitsOfTheGuards() external {
        vm.warp(START + 60);
        Round memory round = consumer.read(hub, 1, Guards(60, 5, 40, Tier.DIRECT));
        assertEq(abi.encode(round), abi.encode(hub.read(1)), "round");
    }

    function test_read_TakesAMomentAheadOfTheBlock() external {
        vm.warp(START - 1);
        assertEq(consumer.read(hub, 1, Guards(0, 5, 40, 1)).answer, PRICE + 1, "answer");
    }

    function test_read_TakesAnyAgeAndSpreadWhenAsked() external view {
        Guards memory loose = Guards(type(uint32).max, 0, type(uint16).max, Tier.DEV);
        assertEq(consumer.read(hub, 1, loose).answer, PRICE + 1, "answer");
    }

    function test_read_RevertWhen_Stale() external {
        vm.warp(START + 61);
        _refuse(
            Guards(60, 5, 40, 1),
            abi.encodeWithSelector(OracleReader.OracleReader_Stale.selector, 1, START, START + 1)
        );
    }

    function test_read_RevertWhen_TooFewSources() external {
        _refuse(
            Guards(60, 6, 40, 1),
            abi.encodeWithSelector(OracleReader.OracleReader_TooFewSources.selector, 1, 5, 6)
        );
    }

    function test_read_RevertWhen_Dispersed() external {
        _refuse(
            Guards(60, 5, 39, 1),
            abi.encodeWithSelector(OracleReader.OracleReader_Dispersed.selector, 1, 40, 39)
        );
    }

    function test_read_RevertWhen_ATierIsTooWeak() external {
        _seat(1, TeeKind.SGX, Tier.TOKEN);
        hub.rebuild();
        hub.submit(_report(START + 1, _one(1, PRICE), 2));
        _refuse(
            Guards(60, 5, 40, Tier.ENDORSED),
            abi.encodeWithSelector(
                OracleReader.OracleReader_WeakTier.selector, 1, Tier.TOKEN, Tier.ENDORSED
            )
        );
        assertEq(consumer.read(hub, 1, Guards(60, 5, 40, Tier.TOKEN)).answer, PRICE, "token");
    }

    function test_read_RevertWhen_NoGuardIsStated() external {
        Guards memory none;
        _refuse(
            none, abi.encodeWithSelector(OracleReader.OracleReader_Dispersed.selector, 1, 40, 0)
        );
        none.maxDispersion = 40;
        _refuse(none, abi.encodeWithSelector(OracleReader.OracleReader_WeakTier.selector, 1, 1, 0));
    }

    function test_read_RevertWhen_FeedIsPaused() external {
        vm.prank(GUARDIAN);
        hub.pauseFeed(1);
        _refuse(
            Guards(60, 5, 40, 1),
            abi.encodeWithSelector(IFeedHub.FeedHub_FeedPaused.selector, 1, START + 7 days)
        );
    }

    function test_readMany_TakesAnyOrder() external view {
        uint16[] memory indexes = new uint16[](2);
        (indexes[0], indexes[1]) = (2, 0);
        Round[] memory rounds = consumer.readMany(hub, indexes, Guards(60, 5, 40, 1));
        assertEq(rounds[0].answer, PRICE + 2, "2");
        assertEq(rounds[1].answer, PRICE, "0");
    }

    function test_readMany_RevertWhen_OneDoesNotMeetTheGuards() external {
        uint16[] memory indexes = new uint16[](2);
        indexes[1] = 1;
        vm.expectRevert(
            abi.encodeWithSelector(OracleReader.OracleReader_Dispersed.selector, 1, 40, 12)
        );
        consumer.readMany(hub, indexes, Guards(60, 5, 12, 1));
    }

    function test_readMany_RevertWhen_ThereAreMoreThanAHubLists() external {
        vm.expectRevert(
            abi.encodeWithSelector(OracleReader.OracleReader_TooManyFeeds.selector, 1025, 1024)
        );
        consumer.readMany(hub, new uint16[](1025), Guards(60, 5, 40, 1));
    }

    function test_checkSequencer_PassesAfterTheGrace() external {
        consumer.checkSequencer(_uptime(0, START - 3601), 3600);
    }

    function test_checkSequencer_RevertWhen_Down() external {
        FakeAggregator uptime = _uptime(1, START - 7200);
        vm.expectRevert(
            abi.encodeWithSelector(OracleReader.OracleReader_SequencerDown.selector, 1, 0)
        );
        consumer.checkSequencer(uptime, 3600);
    }

    function test_checkSequencer_RevertWhen_WithinTheGraceOrWithoutAMoment() external {
        uint256[2] memory since = [START - 3600, 0];
        for (uint256 i = 0; i < since.length; ++i) {
            FakeAggregator uptime = _uptime(0, since[i]);
            vm.expectRevert(
                abi.encodeWithSelector(
                    OracleReader.OracleReader_SequencerGrace.selector, since[i], START - 3600
                )
            );
            consumer.checkSequencer(uptime, 3600);
        }
    }

    function _uptime(int256 answer, uint256 since) private returns (FakeAggregator uptime) {
        uptime = new FakeAggregator();
        uptime.set(answer, since, 1, 1);
    }

    function _refuse(Guards memory guards, bytes memory reason) private {
        vm.expectRevert(reason);
        consumer.read(hub, 1, guards);
    }
}
