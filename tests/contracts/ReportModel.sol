// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {IFeedVerifier} from "contracts/interfaces/IFeedVerifier.sol";
import {TeeKind, Tier, Vendor} from "contracts/types/Tee.sol";

import {Deploy} from "./Deploy.sol";
import {FeedHubSetup} from "./FeedHubSetup.sol";

/// @notice What a hub must make of a report, said as plainly as it can be: one question after the other, on
///         bytes, with nothing of the contracts' own code.
/// @dev The hub has 5 seats and 12 feeds; 3 signatures of 2 vendors count.
abstract contract ReportModel is FeedHubSetup {
    /// @notice Who sits in a position, as the hub's table has it.
    struct Seated {
        address signer;
        uint256 expiresAt;
        uint8 vendor;
        uint8 tier;
    }

    /// @notice What must come of a report.
    struct Verdict {
        /// @dev The hub takes it: some lane changes.
        bool isPushed;
        /// @dev The verifier takes it: all of it is good.
        bool isPulled;
        /// @dev Every slot of lanes, afterwards.
        uint256[] slots;
        /// @dev For each entry that is skipped: index u16 | reason u8.
        bytes skipped;
    }

    uint256 internal constant M = 3;
    uint256 internal constant D = 2;
    uint256 internal constant POSITIONS = 10;
    uint256 internal constant FEEDS = 12;
    uint256 internal constant SLOTS = FEEDS / 2;
    /// @dev A position whose signer's registration is short.
    uint256 internal constant EXPIRING = 3;
    uint256 internal constant EXPIRES_AFTER_S = 30 minutes;
    uint256 internal constant ORDER =
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    Seated[10] internal seated;
    bytes32 internal tableRoot;
    /// @dev Before the last feed was listed.
    bytes32 internal olderRoot;
    /// @dev Where the hub keeps the lanes of feeds 0 and 1; those of the next two follow.
    uint256 internal lanesAt;
    IFeedVerifier internal verifier;

    function _deployModel() internal {
        _deploy(5, uint8(M), FEEDS);
        _govern(hub, abi.encodeCall(IFeedHub.setConfig, (_config(uint8(M), uint8(D)))));
        _put(0, TeeKind.SGX, Tier.DIRECT, START + 3650 days);
        _put(1, TeeKind.TDX, Tier.DIRECT, START + 3650 days);
        _put(2, TeeKind.SNP, Tier.DIRECT, START + 3650 days);
        _put(EXPIRING, TeeKind.SNP, Tier.TOKEN, START + EXPIRES_AFTER_S);
        _put(4, TeeKind.SGX, Tier.ENDORSED, START + 3650 days);
        _put(5, TeeKind.GCP, Tier.ENDORSED, START + 3650 days);
        _put(6, TeeKind.NITRO, Tier.DIRECT, START + 3650 days);
        _put(8, TeeKind.GCP, Tier.TOKEN, START + 3650 days);
        uint256[3] memory second = [uint256(1), EXPIRING, 5];
        for (uint256 i = 0; i < second.length; ++i) {
            vm.prank(_operator(second[i] / 2));
            signerSet.take(uint8(second[i] / 2), _signer(second[i]));
        }
        hub.rebuild();
        bytes32[] memory ids = hub.feedIds();
        for (uint256 i = 0; i < ids.length; ++i) {
            olderRoot = tableRoot;
            tableRoot = keccak256(abi.encode(tableRoot, ids[i]));
        }
        lanesAt = _findLanes();
        verifier = IFeedVerifier(Deploy.shipped("FeedVerifier", abi.encode(address(hub))));
    }

    /// @dev Registers the signer of a position; the table takes it in when it is rebuilt.
    function _put(uint256 position, uint8 tee, uint8 tier, uint256 expiresAt) internal {
        address signer = _signer(position);
        registry.register(signer, _operator(position / 2), tee, tier, uint64(expiresAt));
        seated[position] = Seated(signer, expiresAt, Vendor.ofTee(tee), tier);
    }

    /// @dev The one slot that a report about feed 0 writes.
    function _findLanes() private returns (uint256 slot) {
        uint256 before = vm.snapshotState();
        bytes memory report =
            _reportFor(hub.domainSeparator(), tableRoot, START, _pack(_one(0, 1e9)), 0x15);
        vm.record();
        hub.submit(report);
        (, bytes32[] memory writes) = vm.accesses(address(hub));
        assertEq(writes.length, 1, "one slot");
        slot = uint256(writes[0]);
        vm.revertToState(before);
    }

    /// @notice All lanes as they are stored.
    function _lanes() internal view returns (uint256[] memory slots) {
        slots = new uint256[](SLOTS);
        for (uint256 i = 0; i < SLOTS; ++i) {
            slots[i] = uint256(vm.load(address(hub), bytes32(lanesAt + i)));
        }
    }

    /// @notice The 128 bits of a feed.
    function _laneOf(uint256[] memory slots, uint256 index) internal pure returns (uint256) {
        return index % 2 == 0 ? slots[index / 2] & type(uint128).max : slots[index / 2] >> 128;
    }

    /// @notice Judge a report by the hub's state now.
    function _judge(bytes memory report) internal view returns (Verdict memory verdict) {
        verdict.slots = _lanes();
        uint256 length = report.length;
        if (length < 39) return verdict;
        uint256 count = _field(report, 37, 2);
        if (_field(report, 0, 1) != 1 || count == 0 || count > 1024) return verdict;
        if (length != 39 + 14 * count + 8 + 64 * M) return verdict;
        if (!hub.isLive() || block.timestamp < hub.pausedUntil()) return verdict;
        if (_field(report, 5, 32) != uint256(tableRoot)) return verdict;
        if (!_isInTime(_field(report, 1, 4)) || !_isOrderly(report, count)) return verdict;
        uint256 tier = _weakestTier(report, count);
        if (tier == 0) return verdict;
        _land(verdict, report, count, tier);
    }

    function _isInTime(uint256 observedAt) private view returns (bool) {
        return observedAt + MAX_AGE_S >= block.timestamp && observedAt <= block.timestamp + SKEW_S;
    }

    /// @dev Feeds of the table, ascending, and none of the hub's own flags.
    function _isOrderly(bytes memory report, uint256 count) private pure returns (bool) {
        uint256 next = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint256 index = _field(report, 39 + 14 * i, 2);
            if (index < next || index >= FEEDS) return false;
            if (_field(report, 52 + 14 * i, 1) > 0x0F) return false;
            next = index + 1;
        }
        return true;
    }

    /// @dev 0 unless exactly m seats of d vendors signed, each with the position that the mask says.
    function _weakestTier(bytes memory report, uint256 count) private view returns (uint256 tier) {
        uint256 mask = _field(report, 39 + 14 * count, 8);
        uint256 from = 47 + 14 * count;
        bytes32 digest = _digestOf(report, count);
        uint256 signers;
        uint256 vendors;
        uint256 seats;
        for (uint256 position = 0; position < 64; ++position) {
            if (mask >> position & 1 == 0) continue;
            if (position >= POSITIONS || seats >> position / 2 & 1 == 1 || signers == M) return 0;
            Seated memory who = seated[position];
            if (who.signer == address(0) || block.timestamp >= who.expiresAt) return 0;
            if (!_isSignedBy(who.signer, digest, report, from + 64 * signers)) return 0;
            seats |= 1 << position / 2;
            vendors |= 1 << who.vendor;
            if (who.tier > tier) tier = who.tier;
            ++signers;
        }
        uint256 known;
        for (uint256 vendor = 1; vendor <= 15; ++vendor) {
            known += vendors >> vendor & 1;
        }
        return signers == M && known >= D ? tier : 0;
    }

    function _isSignedBy(address signer, bytes32 digest, bytes memory report, uint256 at_)
        private
        pure
        returns (bool)
    {
        uint256 r = _field(report, at_, 32);
        uint256 vs = _field(report, at_ + 32, 32);
        uint256 s = vs % 2 ** 255;
        if (s > ORDER / 2) return false;
        return ecrecover(digest, vs >= 2 ** 255 ? 28 : 27, bytes32(r), bytes32(s)) == signer;
    }

    function _digestOf(bytes memory report, uint256 count) private view returns (bytes32) {
        bytes memory entries = new bytes(14 * count);
        for (uint256 i = 0; i < entries.length; ++i) {
            entries[i] = report[39 + i];
        }
        return _digest(hub.domainSeparator(), tableRoot, _field(report, 1, 4), entries);
    }

    /// @dev Entry by entry; see `FeedSkipped` for the reasons.
    function _land(Verdict memory verdict, bytes memory report, uint256 count, uint256 tier)
        private
        view
    {
        uint256 observedAt = _field(report, 1, 4);
        verdict.isPulled = true;
        for (uint256 i = 0; i < count; ++i) {
            uint256 at_ = 39 + 14 * i;
            uint256 index = _field(report, at_, 2);
            uint256 value = _field(report, at_ + 2, 8);
            uint8 reason = _reasonToSkip(_laneOf(verdict.slots, index), index, value, observedAt);
            if (reason == 1 || _isOutOfBounds(value)) verdict.isPulled = false;
            if (reason != 0) {
                verdict.skipped = abi.encodePacked(verdict.skipped, uint16(index), reason);
                continue;
            }
            uint256 lane = value << 64 | observedAt << 32 | _field(report, at_ + 10, 4) | 0x80
                | (tier - 1) << 4;
            uint256 other = _laneOf(verdict.slots, index ^ 1);
            verdict.slots[index / 2] = index % 2 == 0 ? other << 128 | lane : lane << 128 | other;
            verdict.isPushed = true;
        }
    }

    function _reasonToSkip(uint256 lane, uint256 index, uint256 value, uint256 observedAt)
        private
        view
        returns (uint8)
    {
        if (block.timestamp < hub.feedInfo(uint16(index)).pausedUntil) return 1;
        uint256 storedAt = lane >> 32 & type(uint32).max;
        if (observedAt <= storedAt) return 2;
        if (_isOutOfBounds(value)) return 3;
        if (observedAt - storedAt > JUMP_LAPSE_S) return 0;
        uint256 stored = lane >> 64;
        uint256 step = value > stored ? value - stored : stored - value;
        return step * 10_000 > stored * JUMP_BPS ? 4 : 0;
    }

    function _isOutOfBounds(uint256 value) private pure returns (bool) {
        return value < uint64(MIN_ANSWER) || value > uint64(MAX_ANSWER);
    }

    /// @notice A big-endian number of 1 to 32 bytes.
    function _field(bytes memory raw, uint256 at_, uint256 size)
        internal
        pure
        returns (uint256 value)
    {
        assembly ("memory-safe") {
            value := shr(sub(256, mul(8, size)), mload(add(add(raw, 32), at_)))
        }
    }
}
