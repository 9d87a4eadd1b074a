// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FeedListing, IFeedHub, Round} from "contracts/interfaces/IFeedHub.sol";

import {Answer, FeedHubSetup} from "../FeedHubSetup.sol";

/// @notice Feeds 0 and 1 share slots and keep 5 and 3 rounds, feed 2 none but the latest, feed 3 two.
contract FeedRoundsTest is FeedHubSetup {
    int64 private constant PRICE = 5_000_000;

    function setUp() external {
        _deploy(1, 1, 0);
        uint16[4] memory rounds = [uint16(5), 3, 0, 2];
        for (uint256 i = 0; i < rounds.length; ++i) {
            FeedListing memory listing = _listing(i);
            listing.historyRounds = rounds[i];
            _govern(hub, abi.encodeCall(IFeedHub.listFeed, (listing)));
        }
        hub.rebuild();
    }

    function testFuzz_readMany_IsReadOfEach(uint16[] calldata any) external {
        uint256 count = any.length > 64 ? 64 : any.length;
        hub.submit(_report(START, _many(4, 1, PRICE), 1));
        uint16[] memory indexes = new uint16[](count);
        for (uint256 i = 0; i < count; ++i) {
            indexes[i] = any[i] % 4;
        }
        Round[] memory rounds = hub.readMany(indexes);
        assertEq(rounds.length, count, "count");
        for (uint256 i = 0; i < count; ++i) {
            assertEq(abi.encode(rounds[i]), abi.encode(hub.read(indexes[i])), "round");
        }
    }

    function test_readMany_TakesAsManyAsFeedsCanBeListed() external {
        hub.submit(_report(START, _many(4, 1, PRICE), 1));
        assertEq(hub.readMany(new uint16[](1024)).length, 1024, "most");
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_TooManyIndexes.selector, 1025, 1024)
        );
        hub.readMany(new uint16[](1025));
    }

    function test_readMany_RevertWhen_OneCannotBeRead() external {
        hub.submit(_report(START, _one(0, PRICE), 1));
        uint16[] memory indexes = new uint16[](2);
        indexes[1] = 1;
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_NeverWritten.selector, 1));
        hub.readMany(indexes);
        indexes[1] = 4;
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_UnlistedFeed.selector, 4, 4));
        hub.readMany(indexes);
        indexes[1] = 0;
        _govern(hub, abi.encodeCall(hub.setFeedLimits, (0, 1, PRICE - 1, 1000, 3600)));
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_OutOfBounds.selector, 0, PRICE, 1, PRICE - 1)
        );
        hub.readMany(indexes);
        vm.prank(GUARDIAN);
        hub.pauseFeed(0);
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_FeedPaused.selector, 0, START + 7 days)
        );
        hub.readMany(indexes);
        // The pause ends, the bounds hold the round, and nothing of why it was looked at is left in it.
        vm.warp(START + 7 days);
        _govern(hub, abi.encodeCall(hub.setFeedLimits, (0, 1, PRICE, 1000, 3600)));
        assertEq(abi.encode(hub.readMany(indexes)[1]), abi.encode(hub.read(0)), "readable again");
    }

    function test_listFeed_RevertWhen_HistoryIsOneRoundOrTooMany() external {
        uint16[2] memory bad = [uint16(1), 257];
        for (uint256 i = 0; i < bad.length; ++i) {
            FeedListing memory listing = _listing(9);
            listing.historyRounds = bad[i];
            bytes memory call = abi.encodeCall(IFeedHub.listFeed, (listing));
            vm.prank(GOVERNANCE);
            hub.propose(call);
            vm.expectRevert(
                abi.encodeWithSelector(IFeedHub.FeedHub_BadHistory.selector, bad[i], 256)
            );
            hub.execute(call);
        }
    }

    /// @dev As it is a transaction, it must not exceed the 2^24 gas that one may have.
    function test_listFeed_OfTheLongestHistoryFitsATransaction() external {
        FeedListing memory listing = _listing(9);
        listing.historyRounds = 256;
        listing.definition = new bytes(16_384);
        for (uint256 i = 0; i < 16_384; ++i) {
            listing.definition[i] = "x";
        }
        bytes memory call = abi.encodeCall(IFeedHub.listFeed, (listing));
        vm.prank(GOVERNANCE);
        hub.propose(call);
        uint256 before = gasleft();
        hub.execute(call);
        assertLe(before - gasleft() + 40 * call.length + 21_000, 1 << 24, "gas");
        assertEq(hub.feedInfo(4).historyRounds, 256, "rounds");
    }

    function test_feedInfo_SaysHowManyRoundsAreKept() external view {
        assertEq(hub.feedInfo(0).historyRounds, 5, "five");
        assertEq(hub.feedInfo(2).historyRounds, 0, "none");
    }

    function test_roundAt_ServesTheLastRoundsOfEachFeedAsTheyLanded() external {
        Round[12] memory landed;
        for (uint256 n = 0; n < landed.length; ++n) {
            _submit(START + 2 * n, n);
            landed[n] = hub.read(0);
            for (uint256 past = 0; past <= n; ++past) {
                _assertKept(0, past + 5 > n, landed[past], n);
                _assertKept(1, past + 3 > n, landed[past], n);
                _assertKept(2, past == n, landed[past], n);
                _assertKept(3, past + 2 > n, landed[past], n);
                // Between two rounds there is none.
                _assertUnknown(0, landed[past].observedAt - 1, START + 2 * n);
            }
        }
    }

    /// @dev Rings of a pair that get different rounds do not mix.
    function testFuzz_roundAt_ServesNoRoundOfTheNeighbour(uint256 seed) external {
        uint256[3][4] memory last;
        for (uint256 n = 1; n <= 24; ++n) {
            uint16 index = uint16(seed >> (2 * n) & 3);
            vm.warp(START + n);
            hub.submit(_report(START + n, _one(index, PRICE + int64(uint64(n))), 1));
            last[index] = [START + n, last[index][0], last[index][1]];
            for (uint16 i = 0; i < 4; ++i) {
                uint256 kept = [uint256(3), 3, 1, 2][i];
                for (uint256 k = 0; k < kept; ++k) {
                    if (last[i][k] == 0) continue;
                    Round memory round = hub.roundAt(i, uint32(last[i][k]));
                    assertEq(round.answer, PRICE + int64(uint64(last[i][k] - START)), "answer");
                    assertEq(round.observedAt, last[i][k], "moment");
                }
            }
        }
    }

    function test_roundAt_IsTheLatestRoundWhateverIsKept() external {
        _submit(START, 0);
        for (uint16 i = 0; i < 4; ++i) {
            assertEq(abi.encode(hub.roundAt(i, uint32(START))), abi.encode(hub.read(i)), "latest");
        }
    }

    function test_roundAt_RevertWhen_NeverWritten() external {
        _assertUnknown(0, 0, 0);
        _assertUnknown(0, START, 0);
        _assertUnknown(2, 0, 0);
        _submit(START, 0);
        _assertUnknown(0, 0, START);
        _assertUnknown(2, 0, START);
    }

    function test_roundAt_RevertWhen_AfterTheLatest() external {
        _submit(START, 0);
        _assertUnknown(0, START + 1, START);
        _assertUnknown(0, type(uint32).max, START);
    }

    function test_roundAt_RevertWhen_Unlisted() external {
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_UnlistedFeed.selector, 4, 4));
        hub.roundAt(4, uint32(START));
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_UnlistedFeed.selector, 65_535, 4));
        hub.roundAt(65_535, uint32(START));
    }

    function test_roundAt_RevertWhen_Paused() external {
        _submit(START, 0);
        _submit(START + 1, 1);
        vm.prank(GUARDIAN);
        hub.pauseFeed(0);
        for (uint256 n = 0; n < 2; ++n) {
            vm.expectRevert(
                abi.encodeWithSelector(IFeedHub.FeedHub_FeedPaused.selector, 0, START + 1 + 7 days)
            );
            hub.roundAt(0, uint32(START + n));
        }
        vm.warp(START + 1 + 7 days);
        assertEq(hub.roundAt(0, uint32(START)).answer, PRICE, "afterwards");
    }

    function test_roundAt_RevertWhen_TheRoundIsOutsideTheBounds() external {
        _submit(START, 0);
        _submit(START + 1, 1);
        _govern(hub, abi.encodeCall(hub.setFeedLimits, (0, PRICE + 1, PRICE + 1, 1000, 3600)));
        vm.expectRevert(
            abi.encodeWithSelector(
                IFeedHub.FeedHub_OutOfBounds.selector, 0, PRICE, PRICE + 1, PRICE + 1
            )
        );
        hub.roundAt(0, uint32(START));
        assertEq(hub.roundAt(0, uint32(START + 1)).answer, PRICE + 1, "the other");
    }

    function test_submit_MakesNoFreshSlotForAHistory() external {
        for (uint256 n = 0; n < 7; ++n) {
            vm.warp(START + n);
            bytes memory report = _reportOfAll(START + n, n);
            vm.record();
            try this.submitAndRevert(report) {} catch {}
            (, bytes32[] memory writes) = vm.accesses(address(hub));
            // Two slots of lanes, heads of both, a place in each ring.
            assertTrue(writes.length >= 6, "writes");
            for (uint256 i = 0; i < writes.length; ++i) {
                assertTrue(vm.load(address(hub), writes[i]) != 0, "a fresh slot");
            }
            hub.submit(report);
        }
    }

    /// @dev Which slots a report would write.
    function submitAndRevert(bytes memory report) external {
        hub.submit(report);
        revert();
    }

    function test_submit_SkipsAndLandsFeedsWithHistoryAsOthers() external {
        _submit(START, 0);
        vm.warp(START + 1);
        vm.expectEmit();
        emit IFeedHub.FeedSkipped(0, 4);
        // Ten times as much is a jump; its neighbour lands.
        hub.submit(_reportOfTwo(START + 1, PRICE * 10, PRICE));
        _assertUnknown(0, START + 1, START);
        assertEq(hub.roundAt(1, uint32(START + 1)).answer, PRICE, "neighbour");
        vm.warp(START + 1 + JUMP_LAPSE_S);
        // The jump limit lapses for it, too.
        hub.submit(_reportOfTwo(START + 1 + JUMP_LAPSE_S, PRICE * 10, PRICE));
        assertEq(hub.read(0).answer, PRICE * 10, "lapsed");
        assertEq(hub.roundAt(0, uint32(START)).answer, PRICE, "before");
    }

    function _submit(uint256 observedAt, uint256 n) private {
        vm.warp(observedAt);
        hub.submit(_reportOfAll(observedAt, n));
    }

    function _reportOfAll(uint256 observedAt, uint256 n) private view returns (bytes memory) {
        int64 value = PRICE + int64(uint64(n));
        return _report(observedAt, _same(4, value), 1);
    }

    function _reportOfTwo(uint256 observedAt, int64 first, int64 second)
        private
        view
        returns (bytes memory)
    {
        Answer[] memory answers = _same(2, first);
        answers[1].value = second;
        return _report(observedAt, answers, 1);
    }

    function _same(uint256 count, int64 value) private pure returns (Answer[] memory answers) {
        answers = _many(count, 1, value);
        for (uint256 i = 0; i < count; ++i) {
            answers[i].value = value;
        }
    }

    function _assertKept(uint16 index, bool isKept, Round memory landed, uint256 n) private {
        if (!isKept) return _assertUnknown(index, landed.observedAt, START + 2 * n);
        assertEq(abi.encode(hub.roundAt(index, landed.observedAt)), abi.encode(landed), "as it was");
    }

    function _assertUnknown(uint16 index, uint256 moment, uint256 latest) private {
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_UnknownRound.selector, index, moment, latest)
        );
        hub.roundAt(index, uint32(moment));
    }
}
