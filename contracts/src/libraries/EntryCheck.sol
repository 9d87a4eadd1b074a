// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The common case of checking a report's entries
/// @dev As in `RoundStore`: without a jump for each question. The caller says what is wrong with an entry
///      that does not pass.
library EntryCheck {
    uint256 private constant MASK_64 = 0xFFFFFFFFFFFFFFFF;
    uint256 private constant HUB_FLAGS = 0xF0;

    /// @notice Go on to the first entry that is out of order, not listed, with the hub's flags, or out of
    ///         bounds.
    /// @param at_ Memory address of the first entry.
    /// @param end Memory address after the last entry.
    /// @param last The last entry's index, which is listed.
    /// @param limits Memory address of the limits of feed 0, up to those of `last`.
    /// @return The memory address of that entry, `end` if there is none, and the smallest index that keeps
    ///         the order there.
    function pass(uint256 at_, uint256 end, uint256 last, uint256 limits)
        internal
        pure
        returns (uint256, uint256)
    {
        uint256 next = 0;
        assembly ("memory-safe") {
            for {} lt(at_, end) {} {
                let entry := shr(144, mload(at_))
                let index := shr(96, entry)
                if or(or(lt(index, next), gt(index, last)), and(entry, HUB_FLAGS)) { break }
                // min 64 | max 64 | 128 bits of others.
                let limit := mload(add(limits, mul(22, index)))
                let min := shr(192, limit)
                // x - a > b - a, unsigned, asks whether x lies outside [a, b].
                if gt(
                    sub(and(shr(32, entry), MASK_64), min),
                    sub(and(shr(128, limit), MASK_64), min)
                ) { break }
                next := add(index, 1)
                at_ := add(at_, 14)
            }
        }
        return (at_, next);
    }
}
