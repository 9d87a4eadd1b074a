// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Lane} from "../types/Lane.sol";

/// @title Rings of past rounds
/// @dev Two feeds share the slots of a ring, as they share the slot of their lanes: while both take the same
///      reports, their rings turn in step, and each pays for half a slot.
library RingStore {
    uint256 internal constant MAX_ROUNDS = 256;
    uint256 private constant PLACE_MASK = 0xFFFF;
    uint256 private constant HEAD_MASK = 0xFFFFFFFF;
    uint256 private constant MASK_128 = (1 << 128) - 1;

    /// @notice The rings of a hub.
    struct Rings {
        /// @dev By pair of feeds; in the half of each: rounds u16 | place u16 of the next.
        uint256[512] heads;
        /// @dev By pair of feeds and place; a lane in the half of each.
        uint256[256][512] lanes;
    }

    /// @notice Make the ring of a feed, every slot of it, so that no round pays for a fresh one.
    /// @param index Below 1,024; the feed has no ring yet.
    /// @param rounds How many it holds, at most `MAX_ROUNDS`.
    /// @param lane What its places hold before there are rounds: not zero, without a moment.
    function make(Rings storage rings, uint256 index, uint256 rounds, Lane lane) internal {
        uint256 head = rounds << 16;
        uint256[512] storage heads = rings.heads;
        assembly ("memory-safe") {
            let at_ := add(heads.slot, shr(1, index))
            sstore(at_, or(sload(at_), shl(shl(7, and(index, 1)), head)))
        }
        for (uint256 place = 0; place < rounds; ++place) {
            put(rings, index, lane);
        }
    }

    /// @notice Put a round in the place of the oldest. The feed has a ring.
    /// @param index Below 1,024.
    function put(Rings storage rings, uint256 index, Lane lane) internal {
        uint256[512] storage heads = rings.heads;
        uint256[256][512] storage lanes = rings.lanes;
        assembly ("memory-safe") {
            let pair := shr(1, index)
            let shift := shl(7, and(index, 1))
            let headsAt := add(heads.slot, pair)
            let both := sload(headsAt)
            let head := and(shr(shift, both), HEAD_MASK)
            let place := and(head, PLACE_MASK)
            {
                let at_ := add(add(lanes.slot, shl(8, pair)), place)
                // The half of the other feed stays.
                let other := and(sload(at_), shl(xor(shift, 128), MASK_128))
                sstore(at_, or(other, shl(shift, lane)))
            }
            let next := add(place, 1)
            next := mul(next, lt(next, shr(16, head)))
            sstore(headsAt, xor(both, shl(shift, xor(place, next))))
        }
    }

    /// @notice The round of a moment; no round if it is not in the ring or there is no ring.
    /// @dev Halves the ring until it is found: at most 9 slots are read. From the oldest place on moments
    ///      ascend; places not yet taken have moment 0 and come first.
    /// @param index Below 1,024.
    /// @param moment Not 0.
    function find(Rings storage rings, uint256 index, uint256 moment) internal view returns (Lane) {
        uint256 pair = index >> 1;
        uint256 shift = (index & 1) << 7;
        uint256 head = (rings.heads[pair] >> shift) & HEAD_MASK;
        (uint256 oldest, uint256 rounds) = (head & PLACE_MASK, head >> 16);
        (uint256 low, uint256 high) = (0, rounds);
        while (low < high) {
            uint256 middle = (low + high) >> 1;
            uint256 slot = rings.lanes[pair][(oldest + middle) % rounds];
            Lane lane = Lane.wrap((slot >> shift) & MASK_128);
            uint256 seen = lane.observedAt();
            if (seen == moment) return lane;
            if (seen < moment) low = middle + 1;
            else high = middle;
        }
        return Lane.wrap(0);
    }
}
