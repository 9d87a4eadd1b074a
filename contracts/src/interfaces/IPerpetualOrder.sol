// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guards} from "../consumers/OracleReader.sol";
import {IFeedHub} from "./IFeedHub.sol";

/// @notice What may still become of an order.
enum OrderState {
    NONE,
    OPEN,
    EXECUTED,
    CANCELLED
}

/// @notice An order to open a position at the first price that anyone brings from after its delay.
struct Order {
    address trader;
    uint40 placedAt;
    OrderState state;
    /// @dev Long pays at most `limit`, short takes at least that.
    bool isLong;
    /// @dev Positive, in the feed's decimals.
    int64 limit;
    /// @dev The price of the execution; 0 before.
    int64 entry;
    uint128 size;
    /// @dev Wei, for whoever executes, or for the beneficiary if nobody does.
    uint128 reward;
}

/// @notice How orders are executed. Fixed at construction.
struct OrderRules {
    IFeedHub hub;
    uint16 index;
    /// @dev From placing to the first moment whose price counts. Longer than the hub's skew and whatever
    ///      the chain's block time may lag behind.
    uint32 delay_s;
    /// @dev From then to the last moment whose price counts.
    uint32 window_s;
    /// @dev The least that an order costs; not 0.
    uint128 minReward_wei;
    /// @dev Gets the rewards of orders that nobody executed: whoever bears the other side. Takes wei.
    address beneficiary;
    Guards guards;
}

/// @title Orders for perpetual futures, executed on pulled reports
/// @notice A trader commits to an order; after a delay anyone executes it with a report of a later moment.
/// @dev An example: margin, funding and closing are left out; it ends where a position has its entry price.
///
///      No price counts that the trader can have seen: the report's moment lies at least `delay_s` after
///      the block that placed the order. Within the limit, whoever executes chooses among the reports of
///      `window_s`, the trader as well as anyone: for that long an order is an option. Its price is the
///      reward. Who lets an order expire loses it, and who executes first gets it: keep the window short,
///      and `minReward_wei` above what an option of that length is worth, so that letting go does not pay
///      and keepers compete. Does NOT establish that the price is the first of the window, nor that the
///      order is executed at all; a trader who is its own keeper, before every other, pays no reward.
interface IPerpetualOrder {
    /// @notice An order needs a size and a positive limit.
    error PerpetualOrder_Empty(uint128 size, int64 limit);
    /// @notice The hub is not a contract.
    error PerpetualOrder_NoHub(address seen);
    /// @notice There is nobody to take the rewards of expired orders, or an order may cost nothing.
    error PerpetualOrder_BadRules(address beneficiary, uint256 minReward_wei);
    /// @notice The value sent is less than an order costs.
    error PerpetualOrder_RewardTooSmall(uint256 seen_wei, uint256 wanted_wei);
    /// @notice The hub takes moments so far ahead of the block that the delay shows the trader a price.
    error PerpetualOrder_DelayTooShort(uint256 seen_s, uint256 wanted_s);
    /// @notice The order was never placed, or is executed or cancelled.
    error PerpetualOrder_NotOpen(uint256 id, OrderState seen);
    /// @notice The report's moment is before the order's delay is over.
    error PerpetualOrder_TooEarly(uint256 seen_at, uint256 wanted_at);
    /// @notice The report's moment is after the window.
    error PerpetualOrder_TooLate(uint256 seen_at, uint256 wanted_at);
    /// @notice The price is worse than the order's limit.
    error PerpetualOrder_BeyondLimit(int64 seen, int64 wanted);
    /// @notice The order may still be executed.
    error PerpetualOrder_NotExpired(uint256 seen_at, uint256 wanted_at);
    /// @notice The recipient refused its wei.
    error PerpetualOrder_NotPaid(address recipient);

    /// @notice An order waits for its delay.
    event OrderPlaced(
        uint256 indexed id,
        address indexed trader,
        bool isLong,
        uint128 size,
        int64 limit,
        uint128 reward
    );
    /// @notice An order has its price.
    event OrderExecuted(
        uint256 indexed id, address indexed keeper, int64 entry, uint256 observedAt
    );
    /// @notice An expired order was closed; the beneficiary has its reward.
    event OrderCancelled(uint256 indexed id);

    /// @notice Commit to an order. The value sent is the reward of whoever executes it; it does not come
    ///         back.
    function place(bool isLong, uint128 size, int64 limit) external payable returns (uint256 id);

    /// @notice Execute an order with a report. Anyone may call; the reward goes to the caller.
    /// @dev Refuses as `PullReader` and `OracleReader` do, too.
    /// @param report As `FeedHub.submit` takes it; nothing is stored of it but the price.
    function execute(uint256 id, bytes calldata report) external;

    /// @notice Close an order that no report can execute any more. Anyone may call; the reward goes to the
    ///         beneficiary, so that no order is free.
    function cancel(uint256 id) external;

    /// @notice An order; all zeros if there is none.
    function order(uint256 id) external view returns (Order memory);

    /// @notice How orders are executed.
    function rules() external view returns (OrderRules memory);
}
