// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The stored round of one feed, in the low 128 bits: value i64 | observedAt u32 |
///         dispersion u16 | sources u8 | flags u8. Two lanes share a storage slot; the feed with the
///         even index has the low half.
type Lane is uint256;

using Lanes for Lane global;

library Lanes {
    /// @dev Set at listing and never cleared, so that a first round writes no fresh slot.
    uint256 internal constant LISTED = 0x80;
    /// @dev Look closer: since the round the feed was paused, or got bounds that the round is outside of.
    ///      Whether that lasts stands elsewhere.
    uint256 internal constant WATCHED = 0x40;
    uint256 private constant TIER_SHIFT = 4;
    uint256 private constant OBSERVED_AT_MASK = 0xFFFFFFFF00000000;

    function isListed(Lane lane) internal pure returns (bool) {
        return Lane.unwrap(lane) & LISTED != 0;
    }

    function isWatched(Lane lane) internal pure returns (bool) {
        return Lane.unwrap(lane) & WATCHED != 0;
    }

    /// @notice Whether it holds a round that may be read without a closer look.
    function isReadable(Lane lane) internal pure returns (bool isIt) {
        assembly ("memory-safe") {
            // Two questions by one comparison, which every reader pays for: above 0 if the flag is not
            // set, and never above the flag, which is shifted to beyond the moment.
            isIt := gt(and(lane, OBSERVED_AT_MASK), shl(58, and(lane, WATCHED)))
        }
    }

    /// @return The feed's decimals apply.
    function value(Lane lane) internal pure returns (int64) {
        return int64(uint64(Lane.unwrap(lane) >> 64));
    }

    /// @return The value as a 64-bit pattern. Stored answers are positive, so it is their number, too.
    function rawValue(Lane lane) internal pure returns (uint256) {
        return Lane.unwrap(lane) >> 64;
    }

    /// @return Seconds since the epoch; 0 if the feed was never written.
    function observedAt(Lane lane) internal pure returns (uint32) {
        return uint32(Lane.unwrap(lane) >> 32);
    }

    function dispersion(Lane lane) internal pure returns (uint16) {
        return uint16(Lane.unwrap(lane) >> 16);
    }

    function sources(Lane lane) internal pure returns (uint8) {
        return uint8(Lane.unwrap(lane) >> 8);
    }

    function flags(Lane lane) internal pure returns (uint8) {
        return uint8(Lane.unwrap(lane));
    }

    function withWatched(Lane lane, bool isWatched_) internal pure returns (Lane) {
        uint256 raw = Lane.unwrap(lane);
        return Lane.wrap(isWatched_ ? raw | WATCHED : raw & ~WATCHED);
    }

    /// @notice What the lanes of one report have in common.
    /// @param observedAt_ Seconds since the epoch, below 2^32.
    /// @param weakestTier 1 to 4.
    function stamp(uint256 observedAt_, uint256 weakestTier) internal pure returns (uint256) {
        unchecked {
            return observedAt_ << 32 | LISTED | (weakestTier - 1) << TIER_SHIFT;
        }
    }

    /// @param value_ int64 in the low 64 bits.
    /// @param quality dispersion u16 | sources u8 | flags u8, whose high four bits are zero.
    /// @param stamp_ What `stamp` gave.
    function pack(uint256 value_, uint256 quality, uint256 stamp_) internal pure returns (Lane) {
        return Lane.wrap(value_ << 64 | quality | stamp_);
    }
}
