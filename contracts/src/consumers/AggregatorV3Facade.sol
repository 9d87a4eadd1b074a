// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorV3Interface} from "../interfaces/AggregatorV3Interface.sol";
import {IAggregatorV3Facade} from "../interfaces/IAggregatorV3Facade.sol";
import {IFeedHub, Round} from "../interfaces/IFeedHub.sol";

/// @title One feed of a hub, as an aggregator; see `IAggregatorV3Facade`
contract AggregatorV3Facade is IAggregatorV3Facade {
    IFeedHub private immutable _hub;
    bytes32 private immutable _feedId;
    uint16 private immutable _index;
    uint8 private immutable _decimals;
    uint32 private immutable _maxAge_s;

    string private _description;

    constructor(IFeedHub hub_, bytes32 feedId_, uint32 maxAge_s_, string memory description_) {
        _hub = hub_;
        _feedId = feedId_;
        _index = hub_.feedIndex(feedId_);
        _decimals = hub_.feedInfo(_index).decimals;
        _maxAge_s = maxAge_s_;
        _description = description_;
    }

    /// @inheritdoc AggregatorV3Interface
    function getRoundData(uint80 wantedRoundId)
        external
        view
        returns (
            uint80 roundId,
            int256 answer,
            uint256 startedAt,
            uint256 updatedAt,
            uint80 answeredInRound
        )
    {
        (roundId, answer, startedAt, updatedAt, answeredInRound) = latestRoundData();
        require(wantedRoundId == roundId, AggregatorV3Facade_UnknownRound(wantedRoundId, roundId));
    }

    /// @inheritdoc AggregatorV3Interface
    function decimals() external view returns (uint8) {
        return _decimals;
    }

    /// @inheritdoc AggregatorV3Interface
    function description() external view returns (string memory) {
        return _description;
    }

    /// @inheritdoc AggregatorV3Interface
    function version() external pure returns (uint256) {
        return 1;
    }

    /// @inheritdoc IAggregatorV3Facade
    function hub() external view returns (IFeedHub) {
        return _hub;
    }

    /// @inheritdoc IAggregatorV3Facade
    function feedId() external view returns (bytes32) {
        return _feedId;
    }

    /// @inheritdoc IAggregatorV3Facade
    function maxAge_s() external view returns (uint32) {
        return _maxAge_s;
    }

    /// @inheritdoc AggregatorV3Interface
    function latestRoundData()
        public
        view
        returns (
            uint80 roundId,
            int256 answer,
            uint256 startedAt,
            uint256 updatedAt,
            uint80 answeredInRound
        )
    {
        Round memory round = _hub.read(_index);
        updatedAt = round.observedAt;
        if (_maxAge_s != 0) {
            uint256 earliest = block.timestamp - _maxAge_s;
            require(updatedAt >= earliest, AggregatorV3Facade_Stale(updatedAt, earliest));
        }
        startedAt = updatedAt;
        roundId = round.observedAt;
        answeredInRound = roundId;
        answer = round.answer;
    }
}
