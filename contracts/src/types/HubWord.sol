// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice All that the hot path needs of a hub's state, in one storage word. From the high end:
///         seats 6 | feedPauses 1 | live 1 | d 8 | m 8 | skew_s 8 | feeds 16 | maxAge_s 16 |
///         pausedUntil 32 | table 160.
/// @dev `seats` and `feeds` are the numbers in the table, not those that the next rebuild would take.
///      `feedPauses` is set as long as any feed may be paused: who verifies a report asks then which.
type HubWord is uint256;

using HubWords for HubWord global;

library HubWords {
    uint256 private constant TABLE_MASK = (1 << 160) - 1;
    uint256 private constant PAUSED_UNTIL_SHIFT = 160;
    uint256 private constant PAUSED_UNTIL_MASK = 0xFFFFFFFF << PAUSED_UNTIL_SHIFT;
    uint256 private constant MAX_AGE_SHIFT = 192;
    uint256 private constant FEEDS_SHIFT = 208;
    uint256 private constant SKEW_SHIFT = 224;
    uint256 private constant M_SHIFT = 232;
    uint256 private constant D_SHIFT = 240;
    uint256 private constant LIVE = 1 << 248;
    uint256 private constant FEED_PAUSES = 1 << 249;
    uint256 private constant SEATS_SHIFT = 250;
    uint256 private constant TABLE_FIELDS =
        TABLE_MASK | 0xFFFF << FEEDS_SHIFT | 0x3F << SEATS_SHIFT | LIVE;
    uint256 private constant CONFIG_FIELDS =
        0xFFFF << MAX_AGE_SHIFT | 0xFF << SKEW_SHIFT | 0xFF << M_SHIFT | 0xFF << D_SHIFT;

    function table(HubWord word) internal pure returns (address) {
        return address(uint160(HubWord.unwrap(word)));
    }

    function pausedUntil(HubWord word) internal pure returns (uint256) {
        return (HubWord.unwrap(word) & PAUSED_UNTIL_MASK) >> PAUSED_UNTIL_SHIFT;
    }

    function maxAge_s(HubWord word) internal pure returns (uint256) {
        return (HubWord.unwrap(word) >> MAX_AGE_SHIFT) & 0xFFFF;
    }

    function feeds(HubWord word) internal pure returns (uint256) {
        return (HubWord.unwrap(word) >> FEEDS_SHIFT) & 0xFFFF;
    }

    function skew_s(HubWord word) internal pure returns (uint256) {
        return (HubWord.unwrap(word) >> SKEW_SHIFT) & 0xFF;
    }

    function m(HubWord word) internal pure returns (uint256) {
        return (HubWord.unwrap(word) >> M_SHIFT) & 0xFF;
    }

    function d(HubWord word) internal pure returns (uint256) {
        return (HubWord.unwrap(word) >> D_SHIFT) & 0xFF;
    }

    function isLive(HubWord word) internal pure returns (bool) {
        return HubWord.unwrap(word) & LIVE != 0;
    }

    /// @notice Whether reports are taken now: a table is in force and the hub is not paused.
    function isOpen(HubWord word) internal view returns (bool isIt) {
        assembly ("memory-safe") {
            // Both questions at once, without a jump between them.
            isIt := gt(
                and(shr(248, word), 1),
                lt(timestamp(), and(shr(PAUSED_UNTIL_SHIFT, word), 0xFFFFFFFF))
            )
        }
    }

    /// @notice Whether a report's moment, below 2^32, is neither too old nor from the future.
    function isInWindow(HubWord word, uint256 moment) internal view returns (bool isIt) {
        assembly ("memory-safe") {
            let behind_s := and(shr(MAX_AGE_SHIFT, word), 0xFFFF)
            let ahead_s := and(shr(SKEW_SHIFT, word), 0xFF)
            // x - a > b - a, unsigned, asks whether x lies outside [a, b].
            isIt := iszero(gt(sub(add(moment, behind_s), timestamp()), add(behind_s, ahead_s)))
        }
    }

    function hasFeedPauses(HubWord word) internal pure returns (bool) {
        return HubWord.unwrap(word) & FEED_PAUSES != 0;
    }

    function positions(HubWord word) internal pure returns (uint256) {
        return (HubWord.unwrap(word) >> SEATS_SHIFT) << 1;
    }

    function withoutLive(HubWord word) internal pure returns (HubWord) {
        return HubWord.wrap(HubWord.unwrap(word) & ~LIVE);
    }

    function withFeedPauses(HubWord word, bool hasPauses) internal pure returns (HubWord) {
        uint256 raw = HubWord.unwrap(word);
        return HubWord.wrap(hasPauses ? raw | FEED_PAUSES : raw & ~FEED_PAUSES);
    }

    /// @dev `until` is below 2^32.
    function withPausedUntil(HubWord word, uint256 until) internal pure returns (HubWord) {
        return
            HubWord.wrap((HubWord.unwrap(word) & ~PAUSED_UNTIL_MASK) | until << PAUSED_UNTIL_SHIFT);
    }

    /// @dev Puts a table in force; `seats_` is at most 32, `feeds_` at most 1,024.
    function withTable(HubWord word, address table_, uint256 seats_, uint256 feeds_)
        internal
        pure
        returns (HubWord)
    {
        return HubWord.wrap(
            (HubWord.unwrap(word) & ~TABLE_FIELDS) | uint160(table_) | feeds_ << FEEDS_SHIFT
                | seats_ << SEATS_SHIFT | LIVE
        );
    }

    /// @dev `m_`, `d_` and `skew_s_` are below 2^8, `maxAge_s_` below 2^16.
    function withConfig(HubWord word, uint256 m_, uint256 d_, uint256 maxAge_s_, uint256 skew_s_)
        internal
        pure
        returns (HubWord)
    {
        return HubWord.wrap(
            (HubWord.unwrap(word) & ~CONFIG_FIELDS) | m_ << M_SHIFT | d_ << D_SHIFT | maxAge_s_
                << MAX_AGE_SHIFT | skew_s_ << SKEW_SHIFT
        );
    }
}
