// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IErc2362} from "../interfaces/IErc2362.sol";
import {Erc2362Source, IErc2362Adapter} from "../interfaces/IErc2362Adapter.sol";
import {IFeedHub, Round} from "../interfaces/IFeedHub.sol";
import {Age} from "../libraries/Age.sol";
import {Revert} from "../libraries/Revert.sol";

/// @title Feeds of a hub, as a numeric pull oracle; see `IErc2362Adapter`
contract Erc2362Adapter is IErc2362Adapter {
    /// @dev One slot beside the feed.
    struct Served {
        bytes32 feedId;
        uint16 index;
        uint8 feedDecimals;
        uint8 decimals;
    }

    uint256 private constant MAX_FEEDS = 64;
    uint256 private constant MAX_PAIR_BYTES = 64;
    uint8 private constant MAX_DECIMALS = 18;

    uint256 private constant OK = 200;
    uint256 private constant NOT_NOW = 400;
    uint256 private constant NOT_FOUND = 404;

    IFeedHub private immutable _hub;
    uint32 private immutable _maxAge_s;

    mapping(bytes32 id => Served) private _served;

    constructor(IFeedHub hub_, uint32 maxAge_s_, Erc2362Source[] memory sources) {
        require(
            sources.length != 0 && sources.length <= MAX_FEEDS,
            Erc2362Adapter_FeedCount(sources.length, MAX_FEEDS)
        );
        require(maxAge_s_ != 0, Erc2362Adapter_NoMaxAge());
        _hub = hub_;
        _maxAge_s = maxAge_s_;
        for (uint256 i = 0; i < sources.length; ++i) {
            _serve(hub_, sources[i]);
        }
    }

    /// @inheritdoc IErc2362
    function valueFor(bytes32 id)
        external
        view
        returns (int256 value, uint256 timestamp, uint256 status)
    {
        Served memory served = _served[id];
        if (served.feedId == 0) return (0, 0, NOT_FOUND);
        try _hub.read(served.index) returns (Round memory round) {
            value = _scaled(round.answer, served.feedDecimals, served.decimals);
            if (value == 0 || Age.isOver(round.observedAt, _maxAge_s)) return (0, 0, NOT_NOW);
            return (value, Age.notAhead(round.observedAt), OK);
        } catch (bytes memory reason) {
            bool isWritten = Revert.selectorOf(reason) != IFeedHub.FeedHub_NeverWritten.selector;
            return (0, 0, isWritten ? NOT_NOW : NOT_FOUND);
        }
    }

    /// @inheritdoc IErc2362Adapter
    function hub() external view returns (IFeedHub) {
        return _hub;
    }

    /// @inheritdoc IErc2362Adapter
    function feedOf(bytes32 id) external view returns (bytes32) {
        return _served[id].feedId;
    }

    /// @inheritdoc IErc2362Adapter
    function maxAge_s() external view returns (uint32) {
        return _maxAge_s;
    }

    function _serve(IFeedHub hub_, Erc2362Source memory source) private {
        uint256 length = bytes(source.pair).length;
        require(
            length != 0 && length <= MAX_PAIR_BYTES,
            Erc2362Adapter_PairLength(length, MAX_PAIR_BYTES)
        );
        require(
            source.decimals <= MAX_DECIMALS, Erc2362Adapter_Decimals(source.decimals, MAX_DECIMALS)
        );
        bytes32 id =
            keccak256(abi.encodePacked("Price-", source.pair, "-", _digits(source.decimals)));
        require(_served[id].feedId == 0, Erc2362Adapter_SameId(id));
        uint16 index = hub_.feedIndex(source.feedId);
        _served[id] = Served({
            feedId: source.feedId,
            index: index,
            feedDecimals: hub_.feedInfo(index).decimals,
            decimals: source.decimals
        });
        emit FeedServed(id, source.feedId, source.pair, source.decimals);
    }

    /// @dev Rounded down: answers are positive.
    function _scaled(int256 answer, uint256 from, uint256 to) private pure returns (int256) {
        // forge-lint: disable-start(unsafe-typecast) neither power exceeds 10^18
        if (to >= from) return answer * int256(10 ** (to - from));
        return answer / int256(10 ** (from - to));
        // forge-lint: disable-end(unsafe-typecast)
    }

    /// @dev A number below 100 in decimal digits, without a leading zero.
    function _digits(uint8 number) private pure returns (bytes memory) {
        bytes memory digits = "0123456789";
        if (number < 10) return abi.encodePacked(digits[number]);
        return abi.encodePacked(digits[number / 10], digits[number % 10]);
    }
}
