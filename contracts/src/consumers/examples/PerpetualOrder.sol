// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Round} from "../../interfaces/IFeedHub.sol";
import {IPerpetualOrder, Order, OrderRules, OrderState} from "../../interfaces/IPerpetualOrder.sol";
import {Narrow} from "../../libraries/Narrow.sol";
import {OracleReader} from "../OracleReader.sol";
import {PullReader} from "../PullReader.sol";

/// @title Orders for perpetual futures, executed on pulled reports; see `IPerpetualOrder`
contract PerpetualOrder is IPerpetualOrder {
    /// @dev Written by the constructor alone.
    OrderRules private _rules;
    uint256 private _count;
    mapping(uint256 id => Order order) private _orders;

    constructor(OrderRules memory rules_) {
        address hub = address(rules_.hub);
        require(hub.code.length != 0, PerpetualOrder_NoHub(hub));
        (address beneficiary, uint256 least) = (rules_.beneficiary, rules_.minReward_wei);
        require(
            beneficiary != address(0) && least != 0, PerpetualOrder_BadRules(beneficiary, least)
        );
        _rules = rules_;
    }

    /// @inheritdoc IPerpetualOrder
    function place(bool isLong, uint128 size, int64 limit) external payable returns (uint256 id) {
        require(size != 0 && limit > 0, PerpetualOrder_Empty(size, limit));
        uint256 least = _rules.minReward_wei;
        require(msg.value >= least, PerpetualOrder_RewardTooSmall(msg.value, least));
        // The hub's governance may have changed it.
        uint256 skew_s = _rules.hub.config().skew_s;
        require(_rules.delay_s > skew_s, PerpetualOrder_DelayTooShort(_rules.delay_s, skew_s + 1));
        id = ++_count;
        Order storage order_ = _orders[id];
        order_.trader = msg.sender;
        order_.placedAt = Narrow.u40(block.timestamp);
        order_.state = OrderState.OPEN;
        order_.isLong = isLong;
        order_.limit = limit;
        order_.size = size;
        order_.reward = Narrow.u128(msg.value);
        emit OrderPlaced(id, msg.sender, isLong, size, limit, order_.reward);
    }

    /// @inheritdoc IPerpetualOrder
    function execute(uint256 id, bytes calldata report) external {
        Order storage order_ = _open(id);
        OrderRules memory rules_ = _rules;
        // 1. Signed by the hub's quorum, and as good as the guards ask.
        Round memory round = PullReader.roundOf(
            PullReader.verify(rules_.hub, report, rules_.guards.maxAge_s), rules_.index
        );
        OracleReader.check(rules_.index, round, rules_.guards);
        // 2. Of a moment that the trader could not know, and that leaves little to choose.
        uint256 earliest = uint256(order_.placedAt) + rules_.delay_s;
        uint256 latest = earliest + rules_.window_s;
        require(round.observedAt >= earliest, PerpetualOrder_TooEarly(round.observedAt, earliest));
        require(round.observedAt <= latest, PerpetualOrder_TooLate(round.observedAt, latest));
        // 3. Within the limit.
        bool isWithin = order_.isLong ? round.answer <= order_.limit : round.answer >= order_.limit;
        require(isWithin, PerpetualOrder_BeyondLimit(round.answer, order_.limit));
        // 4. Effect.
        order_.state = OrderState.EXECUTED;
        order_.entry = round.answer;
        emit OrderExecuted(id, msg.sender, round.answer, round.observedAt);
        _pay(msg.sender, order_.reward);
    }

    /// @inheritdoc IPerpetualOrder
    function cancel(uint256 id) external {
        Order storage order_ = _open(id);
        // When the last report of the window is older than the guards take.
        uint256 expiry =
            uint256(order_.placedAt) + _rules.delay_s + _rules.window_s + _rules.guards.maxAge_s;
        require(block.timestamp > expiry, PerpetualOrder_NotExpired(block.timestamp, expiry + 1));
        order_.state = OrderState.CANCELLED;
        emit OrderCancelled(id);
        _pay(_rules.beneficiary, order_.reward);
    }

    /// @inheritdoc IPerpetualOrder
    function order(uint256 id) external view returns (Order memory) {
        return _orders[id];
    }

    /// @inheritdoc IPerpetualOrder
    function rules() external view returns (OrderRules memory) {
        return _rules;
    }

    /// @dev The last step of a call: the recipient may call back, and finds the order closed.
    function _pay(address recipient, uint256 amount) private {
        (bool isPaid,) = recipient.call{value: amount}("");
        require(isPaid, PerpetualOrder_NotPaid(recipient));
    }

    function _open(uint256 id) private view returns (Order storage order_) {
        order_ = _orders[id];
        require(order_.state == OrderState.OPEN, PerpetualOrder_NotOpen(id, order_.state));
    }
}
