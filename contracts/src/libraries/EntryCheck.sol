// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The common case of checking a report's entries
/// @dev Without a jump for each question, or for each entry. The caller says what is wrong, entry by entry.
library EntryCheck {
    uint256 private constant MASK_64 = 0xFFFFFFFFFFFFFFFF;
    /// @dev An index is below 1,024. The row of one that is not is some other; its order is wrong anyway.
    uint256 private constant INDEX_MASK = 0x3FF;
    /// @dev The hub's flags at their place in the word that begins with an entry.
    uint256 private constant HUB_FLAGS = 0xF0 << 144;

    /// @notice Whether all entries are in strictly ascending order, without the hub's flags, and in bounds.
    /// @dev Indexes have 16 bits, answers and bounds 64: whether one is less than the other is the sign of
    ///      their difference in 256 bits, and the signs of all differences are collected.
    /// @param at_ Memory address of the first entry.
    /// @param end Memory address after the last entry, which is listed.
    /// @param limits Memory address of the limits of feed 0, up to those of the last entry.
    function isPassed(uint256 at_, uint256 end, uint256 limits)
        internal
        pure
        returns (bool isGood)
    {
        assembly ("memory-safe") {
            let signs := 0
            let flags := 0
            let before := not(0) // Minus 1.
            for {} lt(at_, end) { at_ := add(at_, 14) } {
                let entry := mload(at_)
                let index := shr(240, entry)
                // min 64 | max 64 | 128 bits of others.
                let limit := mload(add(limits, mul(22, and(index, INDEX_MASK))))
                let answer := and(shr(176, entry), MASK_64)
                // x + ~y is x - y - 1.
                signs := or(
                    or(signs, add(index, not(before))),
                    or(sub(answer, shr(192, limit)), sub(and(shr(128, limit), MASK_64), answer))
                )
                flags := or(flags, entry)
                before := index
            }
            isGood := iszero(or(slt(signs, 0), and(flags, HUB_FLAGS)))
        }
    }
}
