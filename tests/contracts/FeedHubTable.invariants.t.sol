// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FeedInfo, IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {SignerInfo} from "contracts/interfaces/IAttestationRegistry.sol";
import {HubWord} from "contracts/types/HubWord.sol";
import {TeeKind, Tier, Vendor} from "contracts/types/Tee.sol";

import {FeedHubHandler} from "./FeedHub.invariants.t.sol";
import {Test} from "./Vm.sol";

/// @notice As `FeedHubHandler`, with three vendors, two of which must sign, and limits that governance moves. It
///         notes what a landing report does to the hub's storage.
contract FeedHubTableHandler is FeedHubHandler {
    uint8 public constant D = 2;
    /// @dev The handler lists no more feeds.
    uint256 public constant MOST_FEEDS = 12;
    uint256 private constant BPS = 10_000;
    /// @dev From the lanes to the heads of the rings and on to the rings, by pair of feeds.
    uint256 private constant TO_HEADS = 512;
    uint256 private constant TO_RINGS = 1024;
    uint256 private constant RING = 256;

    /// @dev Ids and decimals as they were when first seen.
    bytes32[] public ids;
    uint8[] public decimals;
    /// @dev Where the hub keeps the lanes of feeds 0 and 1.
    uint256 public lanesAt;

    /// @dev What the slots of the rings held before a submission.
    mapping(uint256 slot => uint256 value) private _ringBefore;

    uint256 public landedWithFewVendors;
    uint256 public otherSlotsWritten;
    uint256 public freshSlotsWritten;
    uint256 public pausedLanesWritten;
    uint256 public stepsTooLarge;
    uint256 public limitsMoved;

    constructor() {
        uint8[5] memory tees = [TeeKind.SGX, TeeKind.TDX, TeeKind.SNP, TeeKind.NITRO, TeeKind.GCP];
        for (uint256 i = 0; i < 10; ++i) {
            uint64 expiresAt = uint64(START + 3650 days);
            registry.register(_signer(i), _operator(i / 2), tees[i / 2], Tier.DIRECT, expiresAt);
        }
        _govern(hub, abi.encodeCall(IFeedHub.setConfig, (_config(M, D))));
        // Smaller steps than the handler's answers make, so that some are refused.
        for (uint16 i = 0; i < 2; ++i) {
            setLimits(i, uint256(200) << 32 | uint256(1 days - 1) << 64);
        }
        limitsMoved = 0;
        hub.rebuild();
        lanesAt = _findLanes();
    }

    function setLimits(uint16 index, uint256 any) public {
        int64 minAnswer = MIN_ANSWER + int64(uint64(any % 1_000_000));
        uint16 jumpBps = uint16(1 + (any >> 32) % 2000);
        uint32 lapse_s = uint32(1 + (any >> 64) % 1 days);
        _govern(
            hub,
            abi.encodeCall(
                IFeedHub.setFeedLimits, (index % FEEDS, minAnswer, MAX_ANSWER, jumpBps, lapse_s)
            )
        );
        ++limitsMoved;
    }

    /// @notice The 128 bits of a feed as they are stored.
    function laneOf(uint256 index) public view returns (uint256) {
        uint256 slot = uint256(vm.load(address(hub), bytes32(lanesAt + index / 2)));
        return index % 2 == 0 ? slot & type(uint128).max : slot >> 128;
    }

    function idsSeen() external view returns (uint256) {
        return ids.length;
    }

    function infoOf(address signer) external view returns (SignerInfo memory) {
        return registry.signerInfo(signer);
    }

    function _try(bytes memory report, uint256 observedAt, uint64 mask) internal override {
        _noteIds();
        uint256[] memory before = new uint256[](MOST_FEEDS);
        for (uint256 i = 0; i < MOST_FEEDS; ++i) {
            before[i] = laneOf(i);
        }
        _noteRings();
        uint256 landedBefore = landed;
        vm.record();
        super._try(report, observedAt, mask);
        (, bytes32[] memory writes) = vm.accesses(address(hub));
        if (landed == landedBefore) return;
        _noteVendors(mask);
        _noteWrites(writes, before);
        _noteLanes(before);
    }

    function _noteRings() private {
        for (uint16 i = 0; i < FEEDS; ++i) {
            uint256 rounds = hub.feedInfo(i).historyRounds;
            if (rounds == 0) continue;
            _noteRing(lanesAt + TO_HEADS + i / 2);
            for (uint256 place = 0; place < rounds; ++place) {
                _noteRing(lanesAt + TO_RINGS + RING * (i / 2) + place);
            }
        }
    }

    function _noteRing(uint256 slot) private {
        _ringBefore[slot] = uint256(vm.load(address(hub), bytes32(slot)));
    }

    function _noteIds() private {
        bytes32[] memory now_ = hub.feedIds();
        for (uint256 i = ids.length; i < now_.length; ++i) {
            ids.push(now_[i]);
            decimals.push(hub.feedInfo(uint16(i)).decimals);
        }
    }

    function _noteVendors(uint64 mask) private {
        uint256 vendors;
        for (uint256 position = 0; position < 10; ++position) {
            if (mask >> position & 1 == 0) continue;
            vendors |= 1 << Vendor.ofTee(registry.signerInfo(_signer(position)).tee);
        }
        uint256 known;
        for (uint256 vendor = 1; vendor <= 15; ++vendor) {
            known += vendors >> vendor & 1;
        }
        if (known < D) ++landedWithFewVendors;
    }

    function _noteWrites(bytes32[] memory writes, uint256[] memory before) private {
        for (uint256 i = 0; i < writes.length; ++i) {
            uint256 slot = uint256(writes[i]);
            if (slot < lanesAt || slot >= lanesAt + MOST_FEEDS / 2) {
                // None of a ring was 0, so what is unknown here is another slot, or a fresh one.
                if (_ringBefore[slot] == 0) ++otherSlotsWritten;
                continue;
            }
            uint256 first = 2 * (slot - lanesAt);
            if (before[first] == 0 && before[first + 1] == 0) ++freshSlotsWritten;
        }
    }

    function _noteLanes(uint256[] memory before) private {
        for (uint256 i = 0; i < FEEDS; ++i) {
            uint256 lane = laneOf(i);
            if (lane == before[i]) continue;
            FeedInfo memory info = hub.feedInfo(uint16(i));
            if (block.timestamp < info.pausedUntil) ++pausedLanesWritten;
            uint256 age_s = (lane >> 32 & type(uint32).max) - (before[i] >> 32 & type(uint32).max);
            if (age_s > info.jumpLapse_s) continue;
            (uint256 value, uint256 from) = (lane >> 64, before[i] >> 64);
            // What nobody is served any more, as the bounds moved, is no measure.
            if (from < uint64(info.minAnswer) || from > uint64(info.maxAnswer)) continue;
            uint256 step = value > from ? value - from : from - value;
            if (step * BPS > info.jumpBps * from) ++stepsTooLarge;
        }
    }

    /// @dev The slot that a read asks for.
    function _findLanes() private returns (uint256 slot) {
        vm.record();
        try hub.read(0) {} catch {}
        (bytes32[] memory reads,) = vm.accesses(address(hub));
        slot = uint256(reads[0]);
        uint256 bothListed = 0x80 << 128 | 0x80;
        assertEq(uint256(vm.load(address(hub), bytes32(slot))), bothListed, "lanes");
    }
}

contract FeedHubTableInvariantsTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    FeedHubTableHandler private handler;
    IFeedHub private target;

    function setUp() external {
        handler = new FeedHubTableHandler();
        target = handler.theHub();
        vm.warp(1_790_000_000);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev What forge calls at random; reports most often, and a rebuild after what clears.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[16] memory all = [
            handler.submit.selector,
            handler.submit.selector,
            handler.submit.selector,
            handler.submit.selector,
            handler.submit.selector,
            handler.submit.selector,
            handler.submit.selector,
            handler.submitAgain.selector,
            handler.rebuild.selector,
            handler.rebuild.selector,
            handler.pass.selector,
            handler.pause.selector,
            handler.unpause.selector,
            handler.list.selector,
            handler.revoke.selector,
            handler.setLimits.selector
        ];
        bytes4[] memory selectors = new bytes4[](all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            selectors[i] = all[i];
        }
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(handler), selectors: selectors});
    }

    function invariant_reportHasEnoughVendors() external view {
        assertEq(handler.landedWithFewVendors(), 0, "landed with too few vendors");
    }

    function invariant_pushWritesLanesAlone() external view {
        assertEq(handler.otherSlotsWritten(), 0, "another slot");
        assertEq(handler.freshSlotsWritten(), 0, "a fresh slot");
    }

    function invariant_pausedFeedKeepsItsRound() external view {
        assertEq(handler.pausedLanesWritten(), 0, "written while paused");
    }

    function invariant_stepIsWithinTheJumpLimit() external view {
        assertEq(handler.stepsTooLarge(), 0, "a jump landed before its lapse");
    }

    function invariant_indexAndDecimalsOfAnIdNeverChange() external view {
        bytes32[] memory ids = target.feedIds();
        assertLe(handler.idsSeen(), ids.length, "shorter list");
        for (uint256 i = 0; i < handler.idsSeen(); ++i) {
            assertEq(ids[i], handler.ids(i), "id");
            assertEq(target.feedInfo(uint16(i)).decimals, handler.decimals(i), "decimals");
        }
    }

    function invariant_listedFeedsHaveTheirLanes() external view {
        uint256 listed = target.feedIds().length;
        for (uint256 i = 0; i < handler.MOST_FEEDS(); ++i) {
            assertTrue(handler.laneOf(i) & 0x80 != 0 == (i < listed), "listed");
        }
    }

    /// @dev A table is a memory of the day it was built; what must not outlive that day clears it.
    function invariant_liveTableHoldsNoRevokedSigner() external view {
        if (!target.isLive()) return;
        bytes memory code = target.table().code;
        uint256 positions = 2 * (HubWord.unwrap(target.verifyConfig()) >> 250);
        assertEq(positions, 10, "positions");
        for (uint256 p = 0; p < positions; ++p) {
            address signer = address(uint160(_field(code, 1 + 26 * p, 20)));
            if (signer == address(0)) continue;
            assertTrue(handler.infoOf(signer).operator != address(0), "never registered");
            assertTrue(!handler.infoOf(signer).revoked, "revoked");
        }
    }

    function invariant_liveTableHasTheLimitsInForce() external view {
        if (!target.isLive()) return;
        bytes memory code = target.table().code;
        uint256 word = HubWord.unwrap(target.verifyConfig());
        uint256 at_ = 1 + 26 * 2 * (word >> 250);
        uint256 feeds = word >> 208 & 0xFFFF;
        assertEq(code.length, at_ + 32 + 22 * feeds, "length");
        bytes32 root;
        for (uint256 i = 0; i < feeds; ++i) {
            FeedInfo memory info = target.feedInfo(uint16(i));
            root = keccak256(abi.encode(root, info.feedId));
            uint32 history = info.historyRounds == 0 ? 0 : uint32(1) << 31;
            bytes memory wanted = abi.encodePacked(
                info.minAnswer, info.maxAnswer, info.jumpBps, history | info.jumpLapse_s
            );
            assertEq(_field(code, at_ + 32 + 22 * i, 22), _field(wanted, 0, 22), "limits");
        }
        assertEq(_field(code, at_, 32), uint256(root), "listRoot");
    }

    /// @dev The handler is not idle: reports land, before and after limits moved.
    function test_handler_LandsReportsAndMovesLimits() external {
        handler.submit(1, 0, 14, 8);
        assertEq(handler.landed(), 1, "landed");
        handler.setLimits(1, 7);
        assertTrue(!target.isLive(), "cleared");
        handler.rebuild();
        assertEq(handler.limitsMoved(), 1, "moved");
        assertEq(handler.idsSeen(), 4, "ids");
    }

    /// @dev A big-endian number of 1 to 32 bytes.
    function _field(bytes memory raw, uint256 at_, uint256 size)
        private
        pure
        returns (uint256 value)
    {
        assembly ("memory-safe") {
            value := shr(sub(256, mul(8, size)), mload(add(add(raw, 32), at_)))
        }
    }
}
