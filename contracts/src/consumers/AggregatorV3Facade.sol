// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorInterface} from "../interfaces/AggregatorInterface.sol";
import {AggregatorV3Interface} from "../interfaces/AggregatorV3Interface.sol";
import {IAggregatorV3Facade} from "../interfaces/IAggregatorV3Facade.sol";
import {IFeedHub} from "../interfaces/IFeedHub.sol";
import {Age} from "../libraries/Age.sol";
import {HubReader} from "../libraries/HubReader.sol";

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
    function latestRoundData()
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
        (answer, updatedAt) = _latest();
        // forge-lint: disable-next-line(unsafe-typecast) a hub's moments have 32 bits
        roundId = uint80(updatedAt);
        answeredInRound = roundId;
        updatedAt = Age.notAhead(updatedAt);
        startedAt = updatedAt;
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
        (answer, updatedAt) = _round(wantedRoundId);
        roundId = wantedRoundId;
        answeredInRound = roundId;
        updatedAt = Age.notAhead(updatedAt);
        startedAt = updatedAt;
    }

    /// @inheritdoc AggregatorInterface
    function latestAnswer() external view returns (int256 answer) {
        (answer,) = _latest();
    }

    /// @inheritdoc AggregatorInterface
    function latestTimestamp() external view returns (uint256) {
        (, uint256 observedAt) = _latest();
        return Age.notAhead(observedAt);
    }

    /// @inheritdoc AggregatorInterface
    function latestRound() external view returns (uint256 observedAt) {
        (, observedAt) = _latest();
    }

    /// @inheritdoc AggregatorInterface
    function getAnswer(uint256 roundId) external view returns (int256 answer) {
        (answer,) = _round(roundId);
    }

    /// @inheritdoc AggregatorInterface
    function getTimestamp(uint256 roundId) external view returns (uint256) {
        (, uint256 observedAt) = _round(roundId);
        return Age.notAhead(observedAt);
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

    function _latest() private view returns (int256 answer, uint256 observedAt) {
        (answer, observedAt) = HubReader.read(_hub, _index);
        if (_maxAge_s != 0 && Age.isOver(observedAt, _maxAge_s)) {
            revert AggregatorV3Facade_Stale(observedAt, block.timestamp - _maxAge_s);
        }
    }

    function _round(uint256 roundId) private view returns (int256 answer, uint256 observedAt) {
        (answer, observedAt) = _latest();
        require(roundId == observedAt, AggregatorV3Facade_UnknownRound(roundId, observedAt));
    }
}
