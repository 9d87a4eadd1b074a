// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorInterface} from "../interfaces/AggregatorInterface.sol";
import {AggregatorV3Interface} from "../interfaces/AggregatorV3Interface.sol";
import {IAggregatorV3Facade} from "../interfaces/IAggregatorV3Facade.sol";
import {IFeedHub, Round} from "../interfaces/IFeedHub.sol";
import {Age} from "../libraries/Age.sol";
import {HubReader} from "../libraries/HubReader.sol";
import {RoundReturn} from "../libraries/RoundReturn.sol";

/// @title One feed of a hub, as an aggregator; see `IAggregatorV3Facade`
/// @dev Compiled as `FeedHub` is, for the same reason.
contract AggregatorV3Facade is IAggregatorV3Facade {
    /// @dev Longer than any age.
    uint256 private constant FOR_EVER_S = 1 << 64;

    IFeedHub private immutable _hub;
    /// @dev Zero if it follows an alias; and the other way round.
    bytes32 private immutable _pinnedId;
    bytes32 private immutable _aliasName;
    /// @dev What to call, and with what: one way to read for both kinds of facade.
    bytes4 private immutable _selector;
    bytes32 private immutable _argument;
    uint8 private immutable _decimals;
    /// @dev `maxAge_s`, or `FOR_EVER_S` if that is 0: one question less for every reader.
    uint256 private immutable _lifetime_s;

    string private _description;

    constructor(
        IFeedHub hub_,
        bytes32 pinnedId_,
        bytes32 aliasName_,
        uint32 maxAge_s_,
        string memory description_
    ) {
        bool isPinned = pinnedId_ != 0;
        require(
            isPinned == (aliasName_ == 0), AggregatorV3Facade_FeedOrAlias(pinnedId_, aliasName_)
        );
        _hub = hub_;
        _pinnedId = pinnedId_;
        _aliasName = aliasName_;
        uint16 index = isPinned ? hub_.feedIndex(pinnedId_) : hub_.aliasIndex(aliasName_);
        _selector = isPinned ? IFeedHub.read.selector : IFeedHub.readAlias.selector;
        _argument = isPinned ? bytes32(uint256(index)) : aliasName_;
        // An alias never moves to a feed of other decimals.
        _decimals = hub_.feedInfo(index).decimals;
        _lifetime_s = maxAge_s_ == 0 ? FOR_EVER_S : maxAge_s_;
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
        // As `_latest`, without the call of it: this one is read the most.
        (answer, updatedAt) = HubReader.read(_hub, _selector, _argument);
        if (Age.isOver(updatedAt, _lifetime_s)) _refuse(updatedAt);
        return RoundReturn.aggregatorRound(answer, updatedAt);
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
        return RoundReturn.aggregatorRound(answer, updatedAt);
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
        return _aliasName == 0 ? _pinnedId : _hub.feedInfo(_index()).feedId;
    }

    /// @inheritdoc IAggregatorV3Facade
    function aliasName() external view returns (bytes32) {
        return _aliasName;
    }

    /// @inheritdoc IAggregatorV3Facade
    function maxAge_s() external view returns (uint32) {
        // forge-lint: disable-next-line(unsafe-typecast) FOR_EVER_S is cut to 0, others have 32 bits
        return uint32(_lifetime_s);
    }

    function _latest() private view returns (int256 answer, uint256 observedAt) {
        (answer, observedAt) = HubReader.read(_hub, _selector, _argument);
        if (Age.isOver(observedAt, _lifetime_s)) _refuse(observedAt);
    }

    /// @dev Of the feed that is served now.
    function _index() private view returns (uint16) {
        return _aliasName == 0 ? _hub.feedIndex(_pinnedId) : _hub.aliasIndex(_aliasName);
    }

    function _refuse(uint256 observedAt) private view {
        revert AggregatorV3Facade_Stale(observedAt, block.timestamp - _lifetime_s);
    }

    /// @dev The hub's round of that moment; if it is the latest, no older than `latestRoundData` serves.
    function _round(uint256 roundId) private view returns (int256 answer, uint256 observedAt) {
        require(
            roundId <= type(uint32).max, AggregatorV3Facade_UnknownRound(roundId, type(uint32).max)
        );
        uint16 index = _index();
        // forge-lint: disable-next-line(unsafe-typecast) checked above
        answer = _hub.roundAt(index, uint32(roundId)).answer;
        if (Age.isOver(roundId, _lifetime_s) && _isLatest(index, roundId)) _refuse(roundId);
        return (answer, roundId);
    }

    /// @param roundId Of a round that the hub serves. So if it serves no latest one, that is another, which
    ///        is out of bounds. A read that fails for want of gas leaves none to go on with.
    function _isLatest(uint16 index, uint256 roundId) private view returns (bool) {
        try _hub.read(index) returns (Round memory latest) {
            return latest.observedAt == roundId;
        } catch {
            return false;
        }
    }
}
