// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "./Governed.sol";
import {IAttestationRegistry, SignerInfo} from "./interfaces/IAttestationRegistry.sol";
import {IFeedHub} from "./interfaces/IFeedHub.sol";
import {IImagePolicy} from "./interfaces/IImagePolicy.sol";
import {ISignerSet, Seat, SeatEntry} from "./interfaces/ISignerSet.sol";
import {Narrow} from "./libraries/Narrow.sol";
import {Vendor} from "./types/Tee.sol";

/// @title Seats and the signers in them; see `ISignerSet`
contract SignerSet is ISignerSet, Governed {
    uint256 private constant MAX_SEATS = 32;
    uint256 private constant MAX_HUBS = 4;
    uint256 private constant LIVE_RESEAT_INTERVAL_S = 1 hours;

    IAttestationRegistry private immutable _registry;
    IImagePolicy private immutable _imagePolicy;
    uint256 private immutable _reseatInterval_s;

    Seat[] private _seats;
    mapping(address operator => uint256 seatPlusOne) private _seatOf;
    IFeedHub[] private _hubs;
    mapping(address hub => bool isAdded) private _isHub;
    /// @dev Whether a hub can have a signer in its table, which outlasts the signer's seat. Never unset.
    mapping(address signer => bool wasSeated) private _wasSeated;

    constructor(
        address governance_,
        address guardian_,
        uint256 minDelay_s,
        IAttestationRegistry registry_,
        IImagePolicy imagePolicy_,
        uint256 reseatInterval_s_
    ) Governed(governance_, guardian_, minDelay_s) {
        require(
            address(registry_) != address(0) && address(imagePolicy_) != address(0),
            SignerSet_ZeroAddress()
        );
        uint256 shortest_s = _isLocalChain() ? 0 : LIVE_RESEAT_INTERVAL_S;
        require(
            reseatInterval_s_ >= shortest_s,
            SignerSet_IntervalTooShort(reseatInterval_s_, shortest_s)
        );
        _registry = registry_;
        _imagePolicy = imagePolicy_;
        _reseatInterval_s = reseatInterval_s_;
    }

    /// @inheritdoc ISignerSet
    function addSeat(address operator) external onlySelf returns (uint8 seat) {
        require(operator != address(0), SignerSet_ZeroAddress());
        uint256 taken = _seatOf[operator];
        if (taken != 0) revert SignerSet_OperatorSeated(operator, Narrow.u8(taken - 1));
        uint256 free = 0;
        while (free < _seats.length && _seats[free].operator != address(0)) ++free;
        require(free < MAX_SEATS, SignerSet_TooManySeats(MAX_SEATS));
        if (free == _seats.length) _seats.push();
        _seats[free].operator = operator;
        _seatOf[operator] = free + 1;
        seat = Narrow.u8(free);
        emit SeatAdded(seat, operator);
    }

    /// @inheritdoc ISignerSet
    function removeSeat(uint8 seat) external onlySelf {
        address operator = _existing(seat).operator;
        delete _seats[seat];
        delete _seatOf[operator];
        emit SeatRemoved(seat, operator);
        _clear();
    }

    /// @inheritdoc ISignerSet
    function addHub(IFeedHub hub) external onlySelf {
        require(_hubs.length < MAX_HUBS, SignerSet_TooManyHubs(MAX_HUBS));
        require(!_isHub[address(hub)], SignerSet_HubKnown(address(hub)));
        address set = address(hub.signerSet());
        require(set == address(this), SignerSet_ForeignHub(set, address(this)));
        _hubs.push(hub);
        _isHub[address(hub)] = true;
        emit HubAdded(address(hub));
    }

    /// @inheritdoc ISignerSet
    function take(uint8 seat, address signer) external {
        Seat memory held = _existing(seat);
        require(msg.sender == held.operator, SignerSet_NotOperator(msg.sender, held.operator));
        require(signer != held.signer0 && signer != held.signer1, SignerSet_AlreadySeated(signer));
        SignerInfo memory info = _registry.signerInfo(signer);
        require(info.valid, SignerSet_InvalidSigner(signer));
        require(
            info.operator == held.operator, SignerSet_ForeignSigner(info.operator, held.operator)
        );
        _requireDue(held);
        uint8 half = _halfToTake(held);
        address replaced = half == 0 ? held.signer0 : held.signer1;
        if (half == 0) held.signer0 = signer;
        else held.signer1 = signer;
        held.newest = half;
        held.takenAt = Narrow.u64(block.timestamp);
        _seats[seat] = held;
        _wasSeated[signer] = true;
        emit SeatTaken(seat, 2 * seat + half, signer, replaced);
    }

    /// @inheritdoc ISignerSet
    function clear() external {
        require(msg.sender == address(_imagePolicy), SignerSet_NotImagePolicy(msg.sender));
        _clear();
    }

    /// @inheritdoc ISignerSet
    function clearFor(address signer) external {
        require(msg.sender == address(_registry), SignerSet_NotRegistry(msg.sender));
        if (_wasSeated[signer]) _clear();
    }

    /// @inheritdoc ISignerSet
    function seatOf(address operator) external view returns (uint8) {
        uint256 seatPlusOne = _seatOf[operator];
        require(seatPlusOne != 0, SignerSet_NoSeat(operator));
        return Narrow.u8(seatPlusOne - 1);
    }

    /// @inheritdoc ISignerSet
    function seats() external view returns (Seat[] memory) {
        return _seats;
    }

    /// @inheritdoc ISignerSet
    function entries() external view returns (SeatEntry[] memory all) {
        all = new SeatEntry[](2 * _seats.length);
        for (uint256 i = 0; i < _seats.length; ++i) {
            Seat storage seat = _seats[i];
            all[2 * i] = _entry(seat.operator, seat.signer0);
            all[2 * i + 1] = _entry(seat.operator, seat.signer1);
        }
    }

    /// @inheritdoc ISignerSet
    function hubs() external view returns (IFeedHub[] memory) {
        return _hubs;
    }

    /// @inheritdoc ISignerSet
    function isHub(address hub) external view returns (bool) {
        return _isHub[hub];
    }

    /// @inheritdoc ISignerSet
    function registry() external view returns (address) {
        return address(_registry);
    }

    /// @inheritdoc ISignerSet
    function imagePolicy() external view returns (address) {
        return address(_imagePolicy);
    }

    /// @inheritdoc ISignerSet
    function reseatInterval_s() external view returns (uint256) {
        return _reseatInterval_s;
    }

    /// @dev Each hub was asked, when added, for its signer set, and its `clear` cannot revert for that
    ///      one. A caller that brings too little gas reverts as a whole: no hub is left behind.
    function _clear() private {
        for (uint256 i = 0; i < _hubs.length; ++i) {
            _hubs[i].clear();
        }
        emit HubsCleared(msg.sender);
    }

    function _requireDue(Seat memory held) private view {
        address newest = held.newest == 0 ? held.signer0 : held.signer1;
        if (newest == address(0) || !_isValid(newest)) return;
        uint256 due = held.takenAt + _reseatInterval_s;
        require(block.timestamp >= due, SignerSet_TooSoon(block.timestamp, due));
    }

    /// @dev The newest signer stays, unless it alone is invalid or nobody was ever there.
    function _halfToTake(Seat memory held) private view returns (uint8) {
        uint8 older = 1 - held.newest;
        (address newestSigner, address olderSigner) =
            held.newest == 0 ? (held.signer0, held.signer1) : (held.signer1, held.signer0);
        bool isNewestKept =
            newestSigner != address(0) && (_isValid(newestSigner) || !_isValid(olderSigner));
        return isNewestKept ? older : held.newest;
    }

    function _isValid(address signer) private view returns (bool) {
        return signer != address(0) && _registry.signerInfo(signer).valid;
    }

    function _entry(address operator, address signer)
        private
        view
        returns (SeatEntry memory entry)
    {
        if (signer == address(0)) return entry;
        SignerInfo memory info = _registry.signerInfo(signer);
        if (!info.valid || info.operator != operator) return entry;
        entry.signer = signer;
        entry.expiresAt = info.expiresAt;
        entry.vendor = Vendor.ofTee(info.tee);
        entry.tier = info.tier;
    }

    function _existing(uint8 seat) private view returns (Seat storage) {
        require(
            seat < _seats.length && _seats[seat].operator != address(0), SignerSet_NoSuchSeat(seat)
        );
        return _seats[seat];
    }
}
