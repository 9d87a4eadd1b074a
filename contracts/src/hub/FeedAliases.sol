// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FeedInfo, IFeedHub, Round} from "../interfaces/IFeedHub.sol";
import {Narrow} from "../libraries/Narrow.sol";
import {RoundReturn} from "../libraries/RoundReturn.sol";
import {RoundStore} from "../libraries/RoundStore.sol";
import {Lane} from "../types/Lane.sol";
import {FeedRounds} from "./FeedRounds.sol";

/// @title Names that governance points at feeds; see `IFeedHub`
abstract contract FeedAliases is FeedRounds {
    using RoundStore for uint256[512];

    mapping(bytes32 name => uint256 indexPlusOne) private _aliases;

    /// @inheritdoc IFeedHub
    function setAlias(bytes32 name, uint16 index) external onlySelf {
        require(name != 0, FeedHub_EmptyAlias());
        FeedInfo memory to = feedInfo(index);
        bytes32 formerFeedId = 0;
        if (_aliases[name] != 0) {
            uint16 formerIndex = aliasIndex(name);
            require(index != formerIndex, FeedHub_AliasUnchanged(name, index));
            FeedInfo memory from = feedInfo(formerIndex);
            require(to.decimals == from.decimals, FeedHub_AliasDecimals(to.decimals, from.decimals));
            (uint256 seen_at, uint256 wanted_at) = (_storedAt(index), _storedAt(formerIndex));
            require(seen_at >= wanted_at, FeedHub_AliasOlder(seen_at, wanted_at));
            formerFeedId = from.feedId;
        }
        _aliases[name] = uint256(index) + 1;
        emit AliasSet(name, to.feedId, index, formerFeedId);
    }

    /// @inheritdoc IFeedHub
    function readAlias(bytes32 name) external view returns (Round calldata) {
        uint256 index = _aliases[name];
        if (index == 0) revert FeedHub_UnknownAlias(name);
        unchecked {
            --index;
        }
        Lane lane = _slots.laneAt(index);
        if (!lane.isReadable()) lane = _inspected(Narrow.u16(index), lane);
        return RoundReturn.round(lane);
    }

    /// @inheritdoc IFeedHub
    function aliasIndex(bytes32 name) public view returns (uint16) {
        uint256 indexPlusOne = _aliases[name];
        require(indexPlusOne != 0, FeedHub_UnknownAlias(name));
        return Narrow.u16(indexPlusOne - 1);
    }

    /// @dev The moment of the stored round, readable or not; 0 if there is none.
    function _storedAt(uint256 index) private view returns (uint256) {
        return _slots.laneAt(index).observedAt();
    }
}
