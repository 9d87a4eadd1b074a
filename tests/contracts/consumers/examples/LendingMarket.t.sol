// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guards, OracleReader} from "contracts/consumers/OracleReader.sol";
import {AggregatorV3Interface} from "contracts/interfaces/AggregatorV3Interface.sol";
import {IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {ILendingMarket, MarketRules, Position} from "contracts/interfaces/ILendingMarket.sol";
import {Erc20} from "contracts/libraries/Erc20.sol";
import {Narrow} from "contracts/libraries/Narrow.sol";
import {Tier} from "contracts/types/Tee.sol";

import {Deploy} from "../../Deploy.sol";
import {Answer, FeedHubSetup} from "../../FeedHubSetup.sol";
import {FakeAggregator} from "../../fakes/FakeAggregator.sol";
import {FakeErc20} from "../../fakes/FakeErc20.sol";

/// @notice Collateral of 18 decimals at 2,000.00 debt tokens of 6 decimals; 75 % may be borrowed, beyond 80 %
///         is liquidated.
contract LendingMarketTest is FeedHubSetup {
    int64 private constant PRICE = 200_000_000_000;
    uint16 private constant INDEX = 1;
    uint32 private constant AGE_S = 60;
    uint32 private constant GRACE_S = 600;
    uint128 private constant COIN = 1e18;
    uint128 private constant USD = 1e6;
    address private constant ANN = address(0xA);
    address private constant BOB = address(0xB);
    address private constant LENDER = address(0xC);

    ILendingMarket private market;
    FakeErc20 private coin;
    FakeErc20 private usd;
    FakeAggregator private sequencer;

    function setUp() external {
        _deploy(1, 1, 3);
        (coin, usd, sequencer) = (new FakeErc20(18), new FakeErc20(6), new FakeAggregator());
        sequencer.set(0, START - 1 days, 1, 1);
        market = ILendingMarket(Deploy.shipped("LendingMarket", abi.encode(_rules())));
        _submit(START, PRICE);
        address[3] memory all = [ANN, BOB, LENDER];
        for (uint256 i = 0; i < 3; ++i) {
            coin.mint(all[i], 100 * COIN);
            usd.mint(all[i], 100_000 * USD);
            vm.startPrank(all[i]);
            coin.approve(address(market), type(uint256).max);
            usd.approve(address(market), type(uint256).max);
            vm.stopPrank();
        }
        vm.prank(LENDER);
        market.lend(50_000 * USD);
        vm.prank(ANN);
        market.deposit(COIN);
    }

    // --- with a price ---

    function test_borrow_GoesUpToTheLimit() external {
        vm.startPrank(ANN);
        market.borrow(1500 * USD);
        assertEq(usd.balanceOf(ANN), 101_500 * USD, "paid out");
        vm.expectRevert(_uncovered(1500 * USD + 1, 1500 * USD));
        market.borrow(1);
        vm.expectRevert(_uncovered(1500 * USD, 1500 * USD - 1));
        market.withdraw(1);
        market.repay(ANN, 750 * USD);
        market.withdraw(COIN / 2);
        _assertPosition(ANN, COIN / 2, 750 * USD);
    }

    function test_liquidate_TakesWhatIsRepaidAndTheBonus() external {
        _borrow(1500 * USD);
        // 1,500 of 1,800: over 80 %.
        _submit(START + 1, PRICE * 9 / 10);
        vm.expectEmit();
        emit ILendingMarket.Liquidated(ANN, BOB, 600 * USD, 0.35 ether, uint64(PRICE * 9 / 10));
        vm.prank(BOB);
        (uint128 repaid, uint256 seized) = market.liquidate(ANN, 600 * USD, 0.35 ether);
        assertEq(repaid, 600 * USD, "repaid");
        // 600 and 5 %, at 1,800.
        assertEq(seized, 0.35 ether, "seized");
        assertEq(coin.balanceOf(BOB), 100.35 ether, "paid out");
        assertEq(usd.balanceOf(BOB), 99_400 * USD, "paid in");
        _assertPosition(ANN, 0.65 ether, 900 * USD);
    }

    function test_liquidate_TakesAtMostAllThereIs() external {
        _borrow(1500 * USD);
        _crash();
        vm.prank(BOB);
        (, uint256 seized) = market.liquidate(ANN, 1500 * USD, COIN);
        assertEq(seized, COIN, "seized");
        _assertPosition(ANN, 0, 0);
    }

    function test_liquidate_RevertWhen_ThePositionIsHealthy() external {
        _borrow(1500 * USD);
        // 1,500 of 1,875: just 80 %.
        _submit(START + 1, 187_500_000_000);
        _refuseLiquidation(
            abi.encodeWithSelector(
                ILendingMarket.LendingMarket_Healthy.selector, 1500 * USD, 1500 * USD
            )
        );
        _submit(START + 2, 187_499_999_999);
        vm.prank(BOB);
        market.liquidate(ANN, USD, 0);
    }

    /// @dev Someone who repays, or liquidates, some of it in front does not stop who wants it all: the least
    ///      that it wants is in proportion.
    function test_liquidate_TakesWhatIsOwedAndNoMore() external {
        _borrow(1500 * USD);
        _submit(START + 1, PRICE * 9 / 10);
        vm.startPrank(LENDER);
        market.repay(ANN, 1);
        market.liquidate(ANN, 30 * USD, 0);
        vm.stopPrank();
        vm.prank(BOB);
        // 1,500 and 5 %, at 1,800, is 0.875.
        (uint128 repaid, uint256 seized) = market.liquidate(ANN, 1500 * USD, 0.874 ether);
        assertEq(repaid, 1470 * USD - 1, "repaid");
        uint256 worth = uint256(1470 * USD - 1) * 105 / 100;
        assertEq(seized, worth * 1e18 / (1800 * USD), "seized");
        assertTrue(seized < 0.874 ether, "in proportion");
        assertEq(usd.balanceOf(BOB), 98_530 * USD + 1, "paid in");
        assertEq(market.position(ANN).debt, 0, "debt");
    }

    /// @dev The collateral is worth 1,000: whoever counts on 1,500 and the bonus is told, and pays nothing.
    function test_liquidate_RevertWhen_LessIsSeizedThanWanted() external {
        _borrow(1500 * USD);
        _crash();
        vm.startPrank(BOB);
        vm.expectRevert(
            abi.encodeWithSelector(
                ILendingMarket.LendingMarket_TooLittle.selector, COIN, 1.575 ether
            )
        );
        market.liquidate(ANN, 1500 * USD, 1.575 ether);
        // 800 and 5 %, at 1,000.
        vm.expectRevert(
            abi.encodeWithSelector(
                ILendingMarket.LendingMarket_TooLittle.selector, 0.84 ether, 0.84 ether + 1
            )
        );
        market.liquidate(ANN, 800 * USD, 0.84 ether + 1);
        (, uint256 seized) = market.liquidate(ANN, 800 * USD, 0.84 ether);
        assertEq(seized, 0.84 ether, "seized");
    }

    function test_liquidate_FindsTheBooksClosedWhenTheTokenCallsBack() external {
        _borrow(1500 * USD);
        _crash();
        coin.callOnTransfer(address(market), abi.encodeCall(market.liquidate, (ANN, 1, 0)));
        vm.prank(BOB);
        market.liquidate(ANN, 1500 * USD, 0);
        assertEq(
            coin.reason(),
            abi.encodeWithSelector(ILendingMarket.LendingMarket_Healthy.selector, 0, 0),
            "second"
        );
    }

    /// @dev Whatever the amounts, a borrower leaves at least what the rules ask.
    function testFuzz_borrow_NeverLeavesAPositionThatMayBeLiquidated(
        uint64 collateral,
        uint64 debt,
        uint64 anyPrice
    ) external {
        int64 price = int64(uint64(bound(anyPrice, 180_000_000_000, 220_000_000_000)));
        _submit(START + 1, price);
        coin.mint(BOB, collateral);
        vm.startPrank(BOB);
        market.deposit(collateral);
        (bool isLent,) = address(market).call(abi.encodeCall(market.borrow, (debt)));
        uint256 value = uint256(collateral) * uint64(price) / 1e20;
        bool isAllowed = debt <= value * 7500 / 10_000 && debt <= 50_000 * USD;
        assertTrue(isLent == isAllowed, "the model says otherwise");
        vm.expectPartialRevert(ILendingMarket.LendingMarket_Healthy.selector);
        market.liquidate(BOB, 0, 0);
    }

    // --- without a price ---

    function test_everyGuard_BlocksLiquidationBorrowingAndNothingElse_Stale() external {
        _borrow(1000 * USD);
        _crash();
        vm.warp(START + 1 + AGE_S + 1);
        _assertBlocked(
            abi.encodeWithSelector(
                OracleReader.OracleReader_Stale.selector, INDEX, START + 1, START + 2
            )
        );
    }

    function test_everyGuard_BlocksLiquidationBorrowingAndNothingElse_Sources() external {
        _borrow(1000 * USD);
        _submit(Answer(INDEX, PRICE / 2, 12, 2, 0));
        _assertBlocked(_guard(OracleReader.OracleReader_TooFewSources.selector, 2, 3));
    }

    function test_everyGuard_BlocksLiquidationBorrowingAndNothingElse_Dispersion() external {
        _borrow(1000 * USD);
        _submit(Answer(INDEX, PRICE / 2, 501, 5, 0));
        _assertBlocked(_guard(OracleReader.OracleReader_Dispersed.selector, 501, 500));
    }

    function test_everyGuard_BlocksLiquidationBorrowingAndNothingElse_Tier() external {
        _borrow(1000 * USD);
        _seat(1, 1, Tier.TOKEN);
        hub.rebuild();
        vm.warp(START + JUMP_LAPSE_S + 1);
        hub.submit(_report(block.timestamp, _one(INDEX, PRICE / 2), 2));
        _assertBlocked(_guard(OracleReader.OracleReader_WeakTier.selector, 3, 2));
    }

    function test_everyGuard_BlocksLiquidationBorrowingAndNothingElse_Paused() external {
        _borrow(1000 * USD);
        _crash();
        vm.prank(GUARDIAN);
        hub.pauseFeed(INDEX);
        _assertBlocked(
            abi.encodeWithSelector(
                IFeedHub.FeedHub_FeedPaused.selector, INDEX, block.timestamp + 7 days
            )
        );
    }

    function test_everyGuard_BlocksLiquidationBorrowingAndNothingElse_Sequencer() external {
        _borrow(1000 * USD);
        _crash();
        sequencer.set(1, START - 1 days, 1, 1);
        _assertBlocked(
            abi.encodeWithSelector(OracleReader.OracleReader_SequencerDown.selector, 1, 0)
        );
    }

    function test_everyGuard_BlocksLiquidationBorrowingAndNothingElse_Grace() external {
        _borrow(1000 * USD);
        _crash();
        uint256 upSince = block.timestamp - GRACE_S;
        sequencer.set(0, upSince, 1, 1);
        _assertBlocked(
            abi.encodeWithSelector(
                OracleReader.OracleReader_SequencerGrace.selector, upSince, upSince
            )
        );
        sequencer.set(0, upSince - 1, 1, 1);
        vm.prank(BOB);
        market.liquidate(ANN, 100 * USD, 0);
    }

    function test_borrow_RevertWhen_TheFeedWasNeverWritten() external {
        MarketRules memory rules = _rules();
        rules.index = 2;
        ILendingMarket other = ILendingMarket(Deploy.shipped("LendingMarket", abi.encode(rules)));
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_NeverWritten.selector, 2));
        other.borrow(1);
    }

    function test_price_NeedsNoSequencerWhereThereIsNone() external {
        MarketRules memory rules = _rules();
        rules.sequencer = AggregatorV3Interface(address(0));
        ILendingMarket other = ILendingMarket(Deploy.shipped("LendingMarket", abi.encode(rules)));
        sequencer.set(1, 0, 0, 0);
        assertEq(other.price(), uint64(PRICE), "price");
        vm.expectPartialRevert(OracleReader.OracleReader_SequencerDown.selector);
        market.price();
    }

    // --- amounts, tokens, rules ---

    function test_recall_GivesBackWhatIsNotBorrowed() external {
        _borrow(1500 * USD);
        vm.startPrank(LENDER);
        vm.expectRevert(
            abi.encodeWithSelector(
                Erc20.Erc20_NotMoved.selector, usd, market, LENDER, 48_500 * USD + 1
            )
        );
        market.recall(48_500 * USD + 1);
        market.recall(48_500 * USD);
        assertEq(market.lent(LENDER), 1500 * USD, "lent");
        vm.expectRevert(_tooMuch(1500 * USD + 1, 1500 * USD));
        market.recall(1500 * USD + 1);
    }

    function test_withdraw_RevertWhen_ThereIsLess() external {
        _borrow(1000 * USD);
        vm.startPrank(ANN);
        vm.expectRevert(_tooMuch(COIN + 1, COIN));
        market.withdraw(COIN + 1);
    }

    /// @dev Someone who repays a grain of it in front does not stop who repays it all.
    function test_repay_TakesWhatIsOwedAndNoMore() external {
        _borrow(1000 * USD);
        vm.prank(BOB);
        assertEq(market.repay(ANN, 1), 1, "a grain");
        vm.prank(ANN);
        assertEq(market.repay(ANN, 1000 * USD), 1000 * USD - 1, "the rest");
        assertEq(usd.balanceOf(ANN), 100_000 * USD + 1, "paid in");
        _assertPosition(ANN, COIN, 0);
    }

    function test_depositAndBorrow_RevertWhen_TheSumIsTooLarge() external {
        uint256 most = type(uint128).max;
        vm.startPrank(ANN);
        vm.expectRevert(abi.encodeWithSelector(Narrow.Narrow_TooWide.selector, most + COIN, most));
        market.deposit(type(uint128).max);
        market.borrow(1);
        vm.expectRevert(abi.encodeWithSelector(Narrow.Narrow_TooWide.selector, most + 1, most));
        market.borrow(type(uint128).max);
    }

    function test_every_RevertWhen_TheTokenAnswersFalse() external {
        _borrow(1000 * USD);
        coin.answerWith(abi.encode(false));
        usd.answerWith(abi.encode(false));
        bytes[6] memory calls = [
            abi.encodeCall(market.lend, (1)),
            abi.encodeCall(market.recall, (0)),
            abi.encodeCall(market.deposit, (1)),
            abi.encodeCall(market.withdraw, (1)),
            abi.encodeCall(market.borrow, (1)),
            abi.encodeCall(market.repay, (ANN, 1))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(ANN);
            (bool isDone, bytes memory reason) = address(market).call(calls[i]);
            assertTrue(!isDone, "moved");
            assertEq(bytes32(bytes4(reason)), bytes32(Erc20.Erc20_NotMoved.selector), "reason");
        }
        _assertPosition(ANN, COIN, 1000 * USD);
    }

    function test_constructor_RevertWhen_TheRulesCannotWork() external {
        MarketRules memory rules = _rules();
        rules.borrowBps = 8000;
        _refuseRules(rules, _badRules(8000, 8000, 500));
        rules = _rules();
        rules.liquidationBps = 9524;
        _refuseRules(rules, _badRules(7500, 9524, 500));
        rules = _rules();
        rules.collateral = rules.debt;
        _refuseRules(
            rules, abi.encodeWithSelector(ILendingMarket.LendingMarket_SameToken.selector, usd)
        );
        rules = _rules();
        rules.collateral = address(new FakeErc20(19));
        _refuseRules(
            rules, abi.encodeWithSelector(ILendingMarket.LendingMarket_Decimals.selector, 19, 18)
        );
        rules = _rules();
        rules.index = 3;
        _refuseRules(rules, abi.encodeWithSelector(IFeedHub.FeedHub_UnlistedFeed.selector, 3, 3));
        assertEq(abi.encode(market.rules()), abi.encode(_rules()), "rules");
    }

    // --- helpers ---

    function _rules() private view returns (MarketRules memory) {
        return MarketRules({
            hub: hub,
            index: INDEX,
            collateral: address(coin),
            debt: address(usd),
            borrowBps: 7500,
            liquidationBps: 8000,
            bonusBps: 500,
            guards: Guards(AGE_S, 3, 500, Tier.ENDORSED),
            sequencer: sequencer,
            grace_s: GRACE_S
        });
    }

    /// @dev What needs a price reverts with the reason, though the last one would have the position liquidated;
    ///      what needs none works. Leaves all as it was.
    function _assertBlocked(bytes memory reason) private {
        uint256 before = vm.snapshotState();
        _refuseLiquidation(reason);
        vm.startPrank(ANN);
        vm.expectRevert(reason);
        market.borrow(1);
        vm.expectRevert(reason);
        market.withdraw(1);
        market.deposit(COIN);
        market.repay(ANN, 400 * USD);
        vm.stopPrank();
        vm.prank(BOB);
        market.repay(ANN, 100 * USD);
        _assertPosition(ANN, 2 * COIN, 500 * USD);
        vm.startPrank(LENDER);
        market.lend(1);
        market.recall(1);
        market.deposit(COIN);
        market.withdraw(COIN);
        vm.stopPrank();
        // Who has repaid all may leave.
        vm.startPrank(ANN);
        market.repay(ANN, 500 * USD);
        market.withdraw(2 * COIN);
        vm.stopPrank();
        vm.revertToState(before);
    }

    function _refuseLiquidation(bytes memory reason) private {
        vm.prank(BOB);
        vm.expectRevert(reason);
        market.liquidate(ANN, USD, 0);
    }

    function _refuseRules(MarketRules memory rules, bytes memory reason) private {
        assertEq(_refusal("LendingMarket", abi.encode(rules)), reason, "reason");
    }

    function _borrow(uint128 amount) private {
        vm.prank(ANN);
        market.borrow(amount);
    }

    /// @dev To half, which anything owed here does not survive.
    function _crash() private {
        _submit(Answer(INDEX, PRICE / 2, 12, 5, 0));
    }

    function _submit(uint256 observedAt, int64 price) private {
        vm.warp(observedAt);
        hub.submit(_report(observedAt, _one(INDEX, price), 1));
    }

    /// @dev A second later; a step of any size, as a fresh limit is put on the feed first.
    function _submit(Answer memory answer) private {
        _govern(
            hub,
            abi.encodeCall(hub.setFeedLimits, (INDEX, MIN_ANSWER, MAX_ANSWER, type(uint16).max, 1))
        );
        hub.rebuild();
        vm.warp(START + 1);
        Answer[] memory answers = new Answer[](1);
        answers[0] = answer;
        hub.submit(_report(START + 1, answers, 1));
    }

    function _assertPosition(address account, uint256 collateral, uint256 debt) private view {
        Position memory seen = market.position(account);
        assertEq(seen.collateral, collateral, "collateral");
        assertEq(seen.debt, debt, "debt");
    }

    function _guard(bytes4 selector, uint256 seen, uint256 wanted)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(selector, INDEX, seen, wanted);
    }

    function _tooMuch(uint256 seen, uint256 wanted) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ILendingMarket.LendingMarket_TooMuch.selector, seen, wanted);
    }

    function _uncovered(uint256 debt, uint256 wanted) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ILendingMarket.LendingMarket_Uncovered.selector, debt, wanted);
    }

    function _badRules(uint16 borrowBps, uint16 liquidationBps, uint16 bonusBps)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(
            ILendingMarket.LendingMarket_BadRules.selector, borrowBps, liquidationBps, bonusBps
        );
    }
}
