// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorV3Interface} from "../../interfaces/AggregatorV3Interface.sol";
import {IPriceConsumer} from "../../interfaces/IPriceConsumer.sol";

/// @title A careful consumer of one feed; see `IPriceConsumer`
/// @dev Knows nothing of hubs: it reads any aggregator, with the checks that every consumer needs.
contract PriceConsumer is IPriceConsumer {
    AggregatorV3Interface private immutable _feed;
    uint32 private immutable _maxAge_s;

    int256 private _storedAnswer;
    uint256 private _storedUpdatedAt;

    constructor(AggregatorV3Interface feed_, uint32 maxAge_s_) {
        _feed = feed_;
        _maxAge_s = maxAge_s_;
    }

    /// @inheritdoc IPriceConsumer
    function store() external returns (int256 answer, uint8 decimals, uint256 updatedAt) {
        (answer, decimals, updatedAt) = price();
        _storedAnswer = answer;
        _storedUpdatedAt = updatedAt;
        emit PriceStored(answer, decimals, updatedAt);
    }

    /// @inheritdoc IPriceConsumer
    function storedPrice() external view returns (int256 answer, uint256 updatedAt) {
        return (_storedAnswer, _storedUpdatedAt);
    }

    /// @inheritdoc IPriceConsumer
    function feed() external view returns (AggregatorV3Interface) {
        return _feed;
    }

    /// @inheritdoc IPriceConsumer
    function maxAge_s() external view returns (uint32) {
        return _maxAge_s;
    }

    /// @inheritdoc IPriceConsumer
    function price() public view returns (int256 answer, uint8 decimals, uint256 updatedAt) {
        uint80 roundId;
        uint80 answeredInRound;
        (roundId, answer,, updatedAt, answeredInRound) = _feed.latestRoundData();
        // Zero is no price, and a negative one cannot be acted upon.
        require(answer > 0, PriceConsumer_NoPrice(answer));
        // The moment is the sources', not the block's: it may lie a little ahead.
        uint256 earliest = block.timestamp - _maxAge_s;
        require(updatedAt >= earliest, PriceConsumer_Stale(updatedAt, earliest));
        require(answeredInRound >= roundId, PriceConsumer_CarriedOver(answeredInRound, roundId));
        decimals = _feed.decimals();
    }
}
