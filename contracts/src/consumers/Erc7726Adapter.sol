// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IErc7726} from "../interfaces/IErc7726.sol";
import {IErc7726Adapter} from "../interfaces/IErc7726Adapter.sol";
import {IFeedHub, Round} from "../interfaces/IFeedHub.sol";
import {FreshRound} from "../libraries/FreshRound.sol";
import {MulDiv} from "../libraries/MulDiv.sol";
import {Narrow} from "../libraries/Narrow.sol";

/// @title One feed of a hub, as a quote oracle; see `IErc7726Adapter`
contract Erc7726Adapter is IErc7726Adapter {
    address private constant ETH = 0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE;
    uint160 private constant LAST_CURRENCY = 999;
    uint256 private constant PSEUDO_DECIMALS = 18;
    /// @dev 10^(36 + 18) and an answer times 10^36 are far from 2^256.
    uint256 private constant MAX_TOKEN_DECIMALS = 36;

    IFeedHub private immutable _hub;
    bytes32 private immutable _feedId;
    uint16 private immutable _index;
    address private immutable _base;
    address private immutable _quote;
    uint32 private immutable _maxAge_s;
    /// @dev One whole base, times one whole answer: what an answer times `_quoteScale` is divided by.
    uint256 private immutable _baseScale;
    /// @dev One whole quote.
    uint256 private immutable _quoteScale;

    constructor(IFeedHub hub_, bytes32 feedId_, address base_, address quote_, uint32 maxAge_s_) {
        require(base_ != quote_, Erc7726Adapter_SameAsset(base_));
        require(maxAge_s_ != 0, Erc7726Adapter_NoMaxAge());
        _hub = hub_;
        _feedId = feedId_;
        _index = hub_.feedIndex(feedId_);
        _base = base_;
        _quote = quote_;
        _maxAge_s = maxAge_s_;
        _baseScale = 10 ** (_decimalsOf(base_) + hub_.feedInfo(_index).decimals);
        _quoteScale = 10 ** _decimalsOf(quote_);
    }

    /// @inheritdoc IErc7726
    function getQuote(uint256 baseAmount, address base_, address quote_)
        external
        view
        returns (uint256)
    {
        bool isForward = base_ == _base && quote_ == _quote;
        require(
            isForward || (base_ == _quote && quote_ == _base), OracleUnsupportedPair(base_, quote_)
        );
        (bool isFresh, Round memory round) = FreshRound.tryRead(_hub, _index, _maxAge_s);
        require(isFresh, OracleUntrustedData(base_, quote_));
        uint256 price = Narrow.positive(round.answer) * _quoteScale;
        return isForward
            ? MulDiv.mulDiv(baseAmount, price, _baseScale)
            : MulDiv.mulDiv(baseAmount, _baseScale, price);
    }

    /// @inheritdoc IErc7726Adapter
    function hub() external view returns (IFeedHub) {
        return _hub;
    }

    /// @inheritdoc IErc7726Adapter
    function feedId() external view returns (bytes32) {
        return _feedId;
    }

    /// @inheritdoc IErc7726Adapter
    function base() external view returns (address) {
        return _base;
    }

    /// @inheritdoc IErc7726Adapter
    function quote() external view returns (address) {
        return _quote;
    }

    /// @inheritdoc IErc7726Adapter
    function maxAge_s() external view returns (uint32) {
        return _maxAge_s;
    }

    function _decimalsOf(address asset) private view returns (uint256 decimals) {
        uint160 number = uint160(asset);
        if (asset == ETH || (number != 0 && number <= LAST_CURRENCY)) return PSEUDO_DECIMALS;
        (bool isDone, bytes memory answer) = asset.staticcall(abi.encodeWithSignature("decimals()"));
        require(isDone && answer.length == 32, Erc7726Adapter_NoDecimals(asset));
        decimals = abi.decode(answer, (uint256));
        require(
            decimals <= MAX_TOKEN_DECIMALS, Erc7726Adapter_Decimals(decimals, MAX_TOKEN_DECIMALS)
        );
    }
}
