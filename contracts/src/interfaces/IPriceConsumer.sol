// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorV3Interface} from "./AggregatorV3Interface.sol";

/// @title A careful consumer of one feed
interface IPriceConsumer {
    /// @notice The answer is zero or negative.
    error PriceConsumer_NoPrice(int256 answer);
    /// @notice The answer is older than this consumer takes.
    error PriceConsumer_Stale(uint256 updatedAt, uint256 wanted_at);
    /// @notice The answer was carried over from an earlier round.
    error PriceConsumer_CarriedOver(uint80 answeredInRound, uint80 roundId);

    /// @notice A price was read and kept.
    event PriceStored(int256 answer, uint8 decimals, uint256 updatedAt);

    /// @notice Read the feed, keep the price and return it. Anyone may call.
    function store() external returns (int256 answer, uint8 decimals, uint256 updatedAt);

    /// @notice The feed's price now, if it is one to act upon.
    /// @return answer Positive, in `decimals`.
    /// @return decimals Decimals of the answer.
    /// @return updatedAt Seconds since the epoch; at most `maxAge_s` ago.
    function price() external view returns (int256 answer, uint8 decimals, uint256 updatedAt);

    /// @notice The price kept last and its moment; zeros before the first `store`.
    function storedPrice() external view returns (int256 answer, uint256 updatedAt);

    /// @notice The feed that is read.
    function feed() external view returns (AggregatorV3Interface);

    /// @notice Age, in seconds, beyond which a price is refused.
    function maxAge_s() external view returns (uint32);
}
