// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "../Governed.sol";
import {HubConfig, IFeedHub} from "../interfaces/IFeedHub.sol";
import {ISignerSet} from "../interfaces/ISignerSet.sol";
import {Narrow} from "../libraries/Narrow.sol";
import {HubWord} from "../types/HubWord.sol";
import {Tier} from "../types/Tee.sol";

/// @title When a hub takes reports: quorum, window, pause, table in force; see `IFeedHub`
abstract contract HubState is IFeedHub, Governed {
    uint256 internal constant MAX_SEATS = 32;
    uint256 private constant MAX_AGE_S = 1 hours;
    uint256 private constant MAX_SKEW_S = 1 minutes;
    uint256 private constant PAUSE_S = 7 days;

    ISignerSet private immutable _signerSet;

    HubWord private _hubWord;
    uint8 private _weakestTier;

    constructor(
        address governance_,
        address guardian_,
        uint256 minDelay_s,
        ISignerSet signerSet_,
        HubConfig memory config_
    ) Governed(governance_, guardian_, minDelay_s) {
        require(address(signerSet_) != address(0), FeedHub_ZeroAddress());
        _signerSet = signerSet_;
        _setConfig(config_);
    }

    /// @inheritdoc IFeedHub
    function clear() external {
        require(
            msg.sender == address(_signerSet), FeedHub_NotSignerSet(msg.sender, address(_signerSet))
        );
        _clear();
    }

    /// @inheritdoc IFeedHub
    function setConfig(HubConfig calldata config_) external onlySelf {
        _setConfig(config_);
        _clear();
    }

    /// @inheritdoc IFeedHub
    function pauseAll() external onlyGuardian {
        uint256 until = _pauseEnd(_hubWord.pausedUntil());
        _hubWord = _hubWord.withPausedUntil(until);
        emit PauseChanged(until, msg.sender);
    }

    /// @inheritdoc IFeedHub
    function unpauseAll() external onlyGovernance {
        require(block.timestamp < _hubWord.pausedUntil(), FeedHub_NotPaused());
        _hubWord = _hubWord.withPausedUntil(block.timestamp);
        emit PauseChanged(block.timestamp, msg.sender);
    }

    /// @inheritdoc IFeedHub
    function config() external view returns (HubConfig memory) {
        HubWord word = _hubWord;
        return HubConfig({
            m: Narrow.u8(word.m()),
            d: Narrow.u8(word.d()),
            minTier: _weakestTier,
            maxAge_s: Narrow.u32(word.maxAge_s()),
            skew_s: Narrow.u32(word.skew_s())
        });
    }

    /// @inheritdoc IFeedHub
    function isLive() external view returns (bool) {
        return _hubWord.isLive();
    }

    /// @inheritdoc IFeedHub
    function pausedUntil() external view returns (uint256) {
        return _hubWord.pausedUntil();
    }

    /// @inheritdoc IFeedHub
    function table() external view returns (address) {
        return _hubWord.table();
    }

    /// @inheritdoc IFeedHub
    function verifyConfig() external view returns (HubWord) {
        return _hubWord;
    }

    /// @inheritdoc IFeedHub
    function signerSet() public view returns (ISignerSet) {
        return _signerSet;
    }

    function _clear() internal {
        if (!_hubWord.isLive()) return;
        _hubWord = _hubWord.withoutLive();
        emit TableCleared(msg.sender);
    }

    function _setWord(HubWord word) internal {
        _hubWord = word;
    }

    function _word() internal view returns (HubWord) {
        return _hubWord;
    }

    function _minTier() internal view returns (uint256) {
        return _weakestTier;
    }

    /// @dev When a pause that begins now ends. Whoever is not governance has to leave a gap, as long as a
    ///      pause, after the one before, however that ended: the guardian alone cannot prolong.
    /// @param before When the last pause ends or ended; 0 if there was none.
    function _pauseEnd(uint256 before) internal view returns (uint256) {
        bool mayBegin =
            before == 0 || block.timestamp >= before + PAUSE_S || msg.sender == governance();
        require(mayBegin, FeedHub_PauseTooSoon(block.timestamp, before + PAUSE_S));
        return block.timestamp + PAUSE_S;
    }

    function _setConfig(HubConfig memory config_) private {
        (uint256 m, uint256 d) = (config_.m, config_.d);
        require(m != 0 && m <= MAX_SEATS && d != 0 && d <= m, FeedHub_BadQuorum(m, d));
        require(
            config_.minTier >= Tier.DIRECT && config_.minTier <= Tier.DEV,
            FeedHub_BadTier(config_.minTier)
        );
        (uint256 maxAge_s, uint256 skew_s) = (config_.maxAge_s, config_.skew_s);
        require(
            maxAge_s != 0 && maxAge_s <= MAX_AGE_S && skew_s <= MAX_SKEW_S,
            FeedHub_BadWindow(maxAge_s, skew_s)
        );
        _hubWord = _hubWord.withConfig(m, d, maxAge_s, skew_s);
        _weakestTier = config_.minTier;
        emit ConfigChanged(config_);
    }
}
