// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Lane} from "../types/Lane.sol";

/// @title The common case of storing a report
/// @dev The checks are those of `FeedRounds`, without a jump for each; the hub itself takes the entries
///      that do not pass here, and says what is wrong with them.
library RoundStore {
    uint256 private constant BPS = 10_000;
    uint256 private constant MASK_31 = 0x7FFFFFFF;
    uint256 private constant MASK_32 = 0xFFFFFFFF;
    uint256 private constant MASK_64 = 0xFFFFFFFFFFFFFFFF;
    uint256 private constant MASK_128 = (1 << 128) - 1;
    uint256 private constant HUB_FLAGS = 0xF0;
    uint256 private constant WATCHED = 0x40;

    /// @notice The lane of a feed; empty beyond the last.
    function laneAt(uint256[512] storage slots, uint256 index) internal view returns (Lane lane) {
        assembly ("memory-safe") {
            lane := mul(
                and(shr(shl(7, and(index, 1)), sload(add(slots.slot, shr(1, index)))), MASK_128),
                lt(index, 1024)
            )
        }
    }

    /// @notice Replace the lane of a feed, whose index is below 1,024.
    function putLane(uint256[512] storage slots, uint256 index, Lane lane) internal {
        assembly ("memory-safe") {
            let at_ := add(slots.slot, shr(1, index))
            let shift := shl(7, and(index, 1))
            // The other lane of the slot stays.
            let other := and(sload(at_), shl(xor(shift, 128), MASK_128))
            sstore(at_, or(other, shl(shift, lane)))
        }
    }

    /// @notice Store entries one after the other, up to the end or to the first that is out of order or
    ///         with the hub's flags, or that must be looked at closer or keeps a history, or that is not
    ///         newer than stored, out of bounds or a jump.
    /// @dev Each slot is loaded once and written once. The caller has checked that the last entry is
    ///      listed; one with a larger index before it is stored here, and then the order breaks, which
    ///      reverts the whole report. Up to where its limits would stand memory is paid for, by whoever
    ///      submits such a report.
    /// @param slots All lanes, two a slot.
    /// @param at_ Memory address of the first entry.
    /// @param end Memory address after the last entry.
    /// @param next The smallest index that keeps the order.
    /// @param limits Memory address of the limits of feed 0.
    /// @param stamp What the new lanes have in common; see `Lanes.stamp`.
    /// @return The memory address of the entry at which it stopped.
    function store(
        uint256[512] storage slots,
        uint256 at_,
        uint256 end,
        uint256 next,
        uint256 limits,
        uint256 stamp
    ) internal returns (uint256) {
        assembly ("memory-safe") {
            let place := 0 // Storage slot held in `slot`; 0 is none.
            let slot := 0
            let stored := 0 // `slot` as it is in storage.
            for {} lt(at_, end) {} {
                let entry := shr(144, mload(at_))
                let index := shr(96, entry)
                {
                    let wanted := add(slots.slot, shr(1, index))
                    if xor(wanted, place) {
                        if xor(slot, stored) { sstore(place, slot) }
                        place := wanted
                        stored := sload(place)
                        slot := stored
                    }
                }
                let shift := shl(7, and(index, 1))
                let answer := and(shr(32, entry), MASK_64)
                {
                    // min 64 | max 64 | jumpBps 16 | history 1 | jumpLapse_s 31 | 80 bits of the next.
                    let limit := mload(add(limits, mul(22, index)))
                    let lane := and(shr(shift, slot), MASK_128)
                    // Negative or 0 if the stored round is not older.
                    let age := sub(and(shr(32, stamp), MASK_32), and(shr(32, lane), MASK_32))
                    let from := shr(64, lane)
                    let span := mul(from, and(shr(112, limit), 0xFFFF))
                    // A jump, out of bounds, not newer, to be looked at closer or of a feed with a
                    // history, whose bit is shifted to that of the flag, with the hub's flags, out of
                    // order; from the last question to the first, in which order the stack does not
                    // run out.
                    // x - a > b - a, unsigned, asks whether x lies outside [a, b].
                    if or(
                        or(
                            gt(
                                gt(add(mul(sub(answer, from), BPS), span), shl(1, span)),
                                gt(age, and(shr(80, limit), MASK_31))
                            ),
                            gt(
                                sub(answer, shr(192, limit)),
                                sub(and(shr(128, limit), MASK_64), shr(192, limit))
                            )
                        ),
                        or(
                            or(slt(age, 1), and(or(lane, shr(105, limit)), WATCHED)),
                            or(and(entry, HUB_FLAGS), lt(index, next))
                        )
                    ) { break }
                }
                // The other lane of the slot stays.
                slot := or(
                    and(slot, shl(xor(shift, 128), MASK_128)),
                    shl(shift, or(shl(64, answer), or(and(entry, MASK_32), stamp)))
                )
                next := add(index, 1)
                at_ := add(at_, 14)
            }
            if xor(slot, stored) { sstore(place, slot) }
        }
        return at_;
    }
}
