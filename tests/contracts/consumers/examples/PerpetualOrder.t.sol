// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guards, OracleReader} from "contracts/consumers/OracleReader.sol";
import {HubConfig, IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {
    IPerpetualOrder,
    Order,
    OrderRules,
    OrderState
} from "contracts/interfaces/IPerpetualOrder.sol";
import {VerifiedReport} from "contracts/libraries/VerifiedReport.sol";
import {Narrow} from "contracts/libraries/Narrow.sol";
import {Tier} from "contracts/types/Tee.sol";

import {Deploy} from "../../Deploy.sol";
import {Answer, FeedHubSetup} from "../../FeedHubSetup.sol";

/// @notice A keeper, or a trader, that calls back when it is paid; or refuses its wei.
contract Caller {
    IPerpetualOrder private immutable _orders;
    bytes private _again;
    bytes public reason;
    bool public isRefusing;

    constructor(IPerpetualOrder orders) {
        _orders = orders;
    }

    receive() external payable {
        require(!isRefusing);
        if (_again.length == 0) return;
        (, reason) = address(_orders).call(_again);
    }

    function refuse() external {
        isRefusing = true;
    }

    function call(bytes calldata first, bytes calldata again) external payable {
        _again = again;
        (bool isDone, bytes memory seen) = address(_orders).call{value: msg.value}(first);
        if (isDone) return;
        assembly ("memory-safe") {
            revert(add(seen, 32), mload(seen))
        }
    }
}

contract PerpetualOrderTest is FeedHubSetup {
    int64 private constant PRICE = 5_000_000_000;
    uint16 private constant INDEX = 1;
    uint32 private constant DELAY_S = 10;
    uint32 private constant WINDOW_S = 4;
    uint32 private constant AGE_S = 20;
    address private constant TRADER = address(0x7ade);
    address private constant KEEPER = address(0x6ee9);
    address private constant BENEFICIARY = address(0xbe4e);
    uint128 private constant REWARD_WEI = 100;

    IPerpetualOrder private orders;

    function setUp() external {
        _deploy(5, 3, 3);
        orders = _make(DELAY_S);
        vm.deal(TRADER, 1 ether);
    }

    function test_rules_AreThoseGiven() external view {
        assertEq(abi.encode(orders.rules()), abi.encode(_rules(DELAY_S)), "rules");
    }

    function test_place_KeepsTheOrderAndItsReward() external {
        vm.expectEmit();
        emit IPerpetualOrder.OrderPlaced(1, TRADER, true, 7, PRICE, 100);
        vm.prank(TRADER);
        uint256 id = orders.place{value: 100}(true, 7, PRICE);
        Order memory wanted = Order({
            trader: TRADER,
            placedAt: uint40(START),
            state: OrderState.OPEN,
            isLong: true,
            limit: PRICE,
            entry: 0,
            size: 7,
            reward: 100
        });
        assertEq(abi.encode(orders.order(id)), abi.encode(wanted), "order");
        assertEq(address(orders).balance, 100, "held");
    }

    function test_place_RevertWhen_ThereIsNoSizeOrNoLimit() external {
        vm.expectRevert(_error2(IPerpetualOrder.PerpetualOrder_Empty.selector, 0, uint64(PRICE)));
        orders.place(true, 0, PRICE);
        vm.expectRevert(_error2(IPerpetualOrder.PerpetualOrder_Empty.selector, 7, 0));
        orders.place(true, 7, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IPerpetualOrder.PerpetualOrder_Empty.selector, 7, int64(-1))
        );
        orders.place(false, 7, -1);
    }

    /// @dev Also when the hub's governance raises the skew after the orders' deployment.
    function test_place_RevertWhen_TheDelayIsNotLongerThanTheHubsSkew() external {
        IPerpetualOrder hasty = _make(SKEW_S);
        bytes4 reason = IPerpetualOrder.PerpetualOrder_DelayTooShort.selector;
        vm.startPrank(TRADER);
        vm.expectRevert(_error2(reason, SKEW_S, SKEW_S + 1));
        hasty.place{value: REWARD_WEI}(true, 7, PRICE);
        vm.stopPrank();
        HubConfig memory config = _config(3, 1);
        config.skew_s = DELAY_S;
        _govern(hub, abi.encodeCall(hub.setConfig, (config)));
        vm.prank(TRADER);
        vm.expectRevert(_error2(reason, DELAY_S, DELAY_S + 1));
        orders.place{value: REWARD_WEI}(true, 7, PRICE);
    }

    function test_constructor_RevertWhen_TheHubIsNoContract() external {
        OrderRules memory rules = _rules(DELAY_S);
        rules.hub = IFeedHub(STRANGER);
        _refuseRules(
            rules, abi.encodeWithSelector(IPerpetualOrder.PerpetualOrder_NoHub.selector, STRANGER)
        );
    }

    function test_constructor_RevertWhen_AnOrderMayBeFreeOrNobodyTakesRewards() external {
        bytes4 reason = IPerpetualOrder.PerpetualOrder_BadRules.selector;
        OrderRules memory rules = _rules(DELAY_S);
        rules.minReward_wei = 0;
        _refuseRules(rules, abi.encodeWithSelector(reason, BENEFICIARY, 0));
        rules = _rules(DELAY_S);
        rules.beneficiary = address(0);
        _refuseRules(rules, abi.encodeWithSelector(reason, address(0), REWARD_WEI));
    }

    function test_place_RevertWhen_TheRewardIsTooSmall() external {
        vm.prank(TRADER);
        vm.expectRevert(
            _error2(
                IPerpetualOrder.PerpetualOrder_RewardTooSmall.selector, REWARD_WEI - 1, REWARD_WEI
            )
        );
        orders.place{value: REWARD_WEI - 1}(true, 7, PRICE);
    }

    function test_place_RevertWhen_TheRewardIsTooLarge() external {
        vm.deal(TRADER, 1 << 128);
        vm.prank(TRADER);
        vm.expectRevert(_error2(Narrow.Narrow_TooWide.selector, 1 << 128, type(uint128).max));
        orders.place{value: 1 << 128}(true, 7, PRICE);
    }

    function test_execute_OpensAtTheReportsPriceAndPaysTheKeeper() external {
        uint256 id = _place(true, PRICE + 1);
        vm.warp(START + DELAY_S + 3);
        bytes memory report = _at(START + DELAY_S, PRICE + 1);
        vm.expectEmit();
        emit IPerpetualOrder.OrderExecuted(id, KEEPER, PRICE + 1, START + DELAY_S);
        vm.prank(KEEPER);
        orders.execute(id, report);
        assertEq(orders.order(id).entry, PRICE + 1, "entry");
        assertTrue(orders.order(id).state == OrderState.EXECUTED, "state");
        assertEq(KEEPER.balance, 100, "paid");
        assertEq(address(orders).balance, 0, "nothing is left");
    }

    function test_execute_TakesTheLastMomentAndTheLastSecond() external {
        uint256 id = _place(false, PRICE);
        vm.warp(START + DELAY_S + WINDOW_S + AGE_S);
        _execute(id, _at(START + DELAY_S + WINDOW_S, PRICE));
        assertEq(orders.order(id).entry, PRICE, "entry");
    }

    // --- execute: what is refused ---

    /// @dev Whatever a trader may know when it places, and every later second until the delay is over.
    function testFuzz_execute_RevertWhen_TheReportIsOfAMomentBeforeTheDelay(uint256 any) external {
        uint256 id = _place(true, PRICE);
        uint256 seen_at = bound(any, START - AGE_S, START + DELAY_S - 1);
        vm.warp(seen_at < START ? START : seen_at);
        _refuse(
            id,
            _at(seen_at, PRICE),
            _error2(IPerpetualOrder.PerpetualOrder_TooEarly.selector, seen_at, START + DELAY_S)
        );
    }

    function test_execute_RevertWhen_TheReportIsAfterTheWindow() external {
        uint256 id = _place(true, PRICE);
        uint256 latest = START + DELAY_S + WINDOW_S;
        vm.warp(latest + 1);
        _refuse(
            id,
            _at(latest + 1, PRICE),
            _error2(IPerpetualOrder.PerpetualOrder_TooLate.selector, latest + 1, latest)
        );
    }

    function test_execute_RevertWhen_TheReportHasAgedOut() external {
        uint256 id = _place(true, PRICE);
        uint256 moment = START + DELAY_S + WINDOW_S;
        vm.warp(moment + AGE_S + 1);
        _refuse(
            id,
            _at(moment, PRICE),
            _error2(IFeedHub.FeedHub_ReportTooOld.selector, moment, moment + 1)
        );
    }

    function test_execute_RevertWhen_ThePriceIsBeyondTheLimit() external {
        bytes4 reason = IPerpetualOrder.PerpetualOrder_BeyondLimit.selector;
        uint256 long = _place(true, PRICE);
        uint256 short = _place(false, PRICE);
        vm.warp(START + DELAY_S);
        bytes memory dear = _at(START + DELAY_S, PRICE + 1);
        bytes memory cheap = _at(START + DELAY_S, PRICE - 1);
        _refuse(long, dear, _error2(reason, uint64(PRICE + 1), uint64(PRICE)));
        _refuse(short, cheap, _error2(reason, uint64(PRICE - 1), uint64(PRICE)));
        _execute(long, cheap);
        _execute(short, dear);
        assertEq(orders.order(long).entry, PRICE - 1, "better for the long");
        assertEq(orders.order(short).entry, PRICE + 1, "better for the short");
    }

    function test_execute_RevertWhen_ExecutedAlready() external {
        uint256 id = _place(true, PRICE);
        vm.warp(START + DELAY_S);
        bytes memory report = _at(START + DELAY_S, PRICE);
        _execute(id, report);
        _refuse(id, report, _notOpen(id, OrderState.EXECUTED));
        _refuse(id + 1, report, _notOpen(id + 1, OrderState.NONE));
    }

    function test_execute_RevertWhen_AGuardIsNotMet() external {
        _seat(3, 1, Tier.TOKEN);
        hub.rebuild();
        uint256 id = _place(true, PRICE);
        vm.warp(START + DELAY_S);
        Answer[] memory answers = _one(INDEX, PRICE);
        answers[0].sources = 2;
        _refuse(id, _of(answers), _error3(OracleReader.OracleReader_TooFewSources.selector, 2, 3));
        answers[0] = Answer(INDEX, PRICE, 51, 3, 0);
        _refuse(id, _of(answers), _error3(OracleReader.OracleReader_Dispersed.selector, 51, 50));
        answers[0].dispersion = 50;
        bytes memory weak = _report(START + DELAY_S, answers, 0x19);
        _refuse(id, weak, _error3(OracleReader.OracleReader_WeakTier.selector, 3, 2));
        _execute(id, _of(answers));
    }

    function test_execute_RevertWhen_TheFeedOrTheHubIsPaused() external {
        uint256 id = _place(true, PRICE);
        vm.warp(START + DELAY_S);
        bytes memory report = _at(START + DELAY_S, PRICE);
        vm.prank(GUARDIAN);
        hub.pauseFeed(INDEX);
        uint256 until = START + DELAY_S + 7 days;
        _refuse(id, report, _error2(IFeedHub.FeedHub_FeedPaused.selector, INDEX, until));
        vm.prank(GOVERNANCE);
        hub.unpauseFeed(INDEX);
        vm.prank(GUARDIAN);
        hub.pauseAll();
        _refuse(id, report, abi.encodeWithSelector(IFeedHub.FeedHub_Paused.selector, until));
    }

    function test_execute_RevertWhen_TheReportIsForgedOrOfAnotherFeed() external {
        uint256 id = _place(true, PRICE);
        vm.warp(START + DELAY_S);
        bytes memory report = _at(START + DELAY_S, PRICE);
        report[report.length - 1] ^= 0x01;
        vm.expectPartialRevert(IFeedHub.FeedHub_BadSignature.selector);
        orders.execute(id, report);
        _refuse(
            id,
            _report(START + DELAY_S, _one(INDEX + 1, PRICE), 0x15),
            abi.encodeWithSelector(VerifiedReport.VerifiedReport_MissingFeed.selector, INDEX)
        );
    }

    function test_execute_RevertWhen_TheKeeperRefusesItsReward() external {
        uint256 id = _place(true, PRICE);
        vm.warp(START + DELAY_S);
        Caller keeper = new Caller(orders);
        keeper.refuse();
        bytes memory call = abi.encodeCall(orders.execute, (id, _at(START + DELAY_S, PRICE)));
        vm.expectRevert(
            abi.encodeWithSelector(IPerpetualOrder.PerpetualOrder_NotPaid.selector, address(keeper))
        );
        keeper.call(call, "");
        assertTrue(orders.order(id).state == OrderState.OPEN, "still open");
    }

    function test_execute_PaysOnceThoughTheKeeperCallsBack() external {
        uint256 id = _place(true, PRICE);
        _place(true, PRICE);
        vm.warp(START + DELAY_S);
        Caller keeper = new Caller(orders);
        bytes memory call = abi.encodeCall(orders.execute, (id, _at(START + DELAY_S, PRICE)));
        keeper.call(call, call);
        assertEq(keeper.reason(), _notOpen(id, OrderState.EXECUTED), "second");
        assertEq(address(keeper).balance, 100, "once");
    }

    // --- cancel ---

    /// @dev Whoever closes it, and its trader, too: an order that was let go has cost its reward.
    function test_cancel_LeavesTheRewardToTheBeneficiaryOnceNoReportCanExecute() external {
        uint256 id = _place(true, PRICE);
        uint256 other = _place(true, PRICE);
        uint256 expiry = START + DELAY_S + WINDOW_S + AGE_S;
        vm.warp(expiry);
        vm.prank(TRADER);
        vm.expectRevert(
            _error2(IPerpetualOrder.PerpetualOrder_NotExpired.selector, expiry, expiry + 1)
        );
        orders.cancel(id);
        vm.warp(expiry + 1);
        vm.expectEmit();
        emit IPerpetualOrder.OrderCancelled(id);
        vm.prank(TRADER);
        orders.cancel(id);
        assertEq(TRADER.balance, 1 ether - 2 * REWARD_WEI, "the trader has lost it");
        assertEq(BENEFICIARY.balance, REWARD_WEI, "by the trader");
        vm.prank(KEEPER);
        orders.cancel(other);
        assertEq(BENEFICIARY.balance, 2 * REWARD_WEI, "by anyone");
        assertEq(KEEPER.balance, 0, "who gets nothing");
        vm.expectRevert(_notOpen(id, OrderState.CANCELLED));
        orders.cancel(id);
    }

    function test_cancel_RevertWhen_ExecutedOrNeverPlaced() external {
        uint256 id = _place(true, PRICE);
        vm.warp(START + DELAY_S);
        _execute(id, _at(START + DELAY_S, PRICE));
        vm.prank(TRADER);
        vm.expectRevert(_notOpen(id, OrderState.EXECUTED));
        orders.cancel(id);
        vm.expectRevert(_notOpen(9, OrderState.NONE));
        orders.cancel(9);
    }

    function _make(uint32 delay_s) private returns (IPerpetualOrder) {
        return IPerpetualOrder(Deploy.shipped("PerpetualOrder", abi.encode(_rules(delay_s))));
    }

    function _rules(uint32 delay_s) private view returns (OrderRules memory) {
        return OrderRules({
            hub: hub,
            index: INDEX,
            delay_s: delay_s,
            window_s: WINDOW_S,
            minReward_wei: REWARD_WEI,
            beneficiary: BENEFICIARY,
            guards: Guards(AGE_S, 3, 50, Tier.ENDORSED)
        });
    }

    function _refuseRules(OrderRules memory rules, bytes memory reason) private {
        assertEq(_refusal("PerpetualOrder", abi.encode(rules)), reason, "reason");
    }

    function _place(bool isLong, int64 limit) private returns (uint256) {
        vm.prank(TRADER);
        return orders.place{value: REWARD_WEI}(isLong, 7, limit);
    }

    function _at(uint256 observedAt, int64 price) private view returns (bytes memory) {
        return _report(observedAt, _one(INDEX, price), 0x15);
    }

    function _of(Answer[] memory answers) private view returns (bytes memory) {
        return _report(START + DELAY_S, answers, 0x15);
    }

    function _execute(uint256 id, bytes memory report) private {
        vm.prank(KEEPER);
        orders.execute(id, report);
    }

    function _refuse(uint256 id, bytes memory report, bytes memory reason) private {
        vm.expectRevert(reason);
        orders.execute(id, report);
    }

    function _notOpen(uint256 id, OrderState seen) private pure returns (bytes memory) {
        return _error2(IPerpetualOrder.PerpetualOrder_NotOpen.selector, id, uint256(seen));
    }

    function _error2(bytes4 selector, uint256 a, uint256 b) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function _error3(bytes4 selector, uint256 seen, uint256 wanted)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(selector, INDEX, seen, wanted);
    }
}
