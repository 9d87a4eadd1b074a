// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IApi3ChronicleAdapter} from "../interfaces/IApi3ChronicleAdapter.sol";
import {IFeedHub, Round} from "../interfaces/IFeedHub.sol";
import {Age} from "../libraries/Age.sol";
import {FreshRound} from "../libraries/FreshRound.sol";
import {Narrow} from "../libraries/Narrow.sol";

/// @title One feed of a hub, for readers of API3 and Chronicle; see `IApi3ChronicleAdapter`
contract Api3ChronicleAdapter is IApi3ChronicleAdapter {
    uint256 private constant VALUE_DECIMALS = 18;

    IFeedHub private immutable _hub;
    bytes32 private immutable _feedId;
    uint16 private immutable _index;
    uint32 private immutable _maxAge_s;
    bytes32 private immutable _wat;
    uint256 private immutable _scale;

    constructor(IFeedHub hub_, bytes32 feedId_, uint32 maxAge_s_, bytes32 wat_) {
        require(maxAge_s_ != 0, Api3ChronicleAdapter_NoMaxAge());
        _hub = hub_;
        _feedId = feedId_;
        _index = hub_.feedIndex(feedId_);
        _maxAge_s = maxAge_s_;
        _wat = wat_;
        // A hub lists no feed of more decimals.
        _scale = 10 ** (VALUE_DECIMALS - hub_.feedInfo(_index).decimals);
    }

    /// @inheritdoc IApi3ChronicleAdapter
    function read() external view returns (int224, uint32) {
        (uint256 value, uint256 age) = readWithAge();
        // An answer of 63 bits times at most 10^18 has fewer than 124 bits.
        // forge-lint: disable-next-line(unsafe-typecast) see the line above
        return (int224(uint224(value)), Narrow.u32(age));
    }

    /// @inheritdoc IApi3ChronicleAdapter
    function tryRead() external view returns (bool isValid, uint256 value) {
        (isValid, value,) = tryReadWithAge();
    }

    /// @inheritdoc IApi3ChronicleAdapter
    function peek() external view returns (uint256 value, bool isValid) {
        (isValid, value,) = tryReadWithAge();
    }

    /// @inheritdoc IApi3ChronicleAdapter
    function wat() external view returns (bytes32) {
        return _wat;
    }

    /// @inheritdoc IApi3ChronicleAdapter
    function hub() external view returns (IFeedHub) {
        return _hub;
    }

    /// @inheritdoc IApi3ChronicleAdapter
    function feedId() external view returns (bytes32) {
        return _feedId;
    }

    /// @inheritdoc IApi3ChronicleAdapter
    function maxAge_s() external view returns (uint32) {
        return _maxAge_s;
    }

    /// @inheritdoc IApi3ChronicleAdapter
    function readWithAge() public view returns (uint256 value, uint256 age) {
        bool isValid;
        (isValid, value, age) = tryReadWithAge();
        require(isValid, Api3ChronicleAdapter_NoValue(_feedId));
    }

    /// @inheritdoc IApi3ChronicleAdapter
    function tryReadWithAge() public view returns (bool isValid, uint256 value, uint256 age) {
        Round memory round;
        (isValid, round) = FreshRound.tryRead(_hub, _index, _maxAge_s);
        if (!isValid) return (false, 0, 0);
        return (true, Narrow.positive(round.answer) * _scale, Age.notAhead(round.observedAt));
    }
}
