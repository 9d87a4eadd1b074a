// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Lane, Lanes} from "../types/Lane.sol";
import {Entry, ReportCodec} from "./ReportCodec.sol";

/// @notice A report that was verified: what its lanes have in common 64 | memory address of its entries 64.
/// @dev Good within the call that verified it, as any pointer to memory.
type Verified is uint256;

using VerifiedReport for Verified global;

/// @title What a verified report says
library VerifiedReport {
    using ReportCodec for bytes;

    uint256 private constant STAMP_SHIFT = 64;

    /// @notice The report says nothing about the feed.
    error VerifiedReport_MissingFeed(uint256 wanted);

    /// @param stamp_ What `Lanes.stamp` gave.
    /// @param entries_ Packed entries, at least one, in strictly ascending order of index.
    function from(uint256 stamp_, bytes memory entries_) internal pure returns (Verified verified) {
        assembly ("memory-safe") {
            verified := or(shl(STAMP_SHIFT, stamp_), entries_)
        }
    }

    /// @notice What its lanes have in common.
    function stamp(Verified verified) internal pure returns (uint256) {
        return Verified.unwrap(verified) >> STAMP_SHIFT;
    }

    /// @notice The packed entries.
    function entries(Verified verified) internal pure returns (bytes memory entries_) {
        assembly ("memory-safe") {
            entries_ := and(verified, 0xffffffffffffffff)
        }
    }

    /// @notice What a push would store of a feed; reverts if the report says nothing of it.
    function laneOf(Verified verified, uint16 index) internal pure returns (Lane) {
        bytes memory entries_ = verified.entries();
        uint256 first = entries_.start();
        unchecked {
            uint256 low = 0;
            uint256 high = entries_.length / ReportCodec.ENTRY_BYTES - 1;
            // No entry stands behind the place of its index; where all feeds before it have one, just there.
            if (index < high) high = index;
            for (uint256 place = high;; place = (low + high) >> 1) {
                Entry entry = ReportCodec.entryAt(first + place * ReportCodec.ENTRY_BYTES);
                uint256 seen = entry.index();
                if (seen == index) {
                    return Lanes.pack(entry.rawValue(), entry.quality(), verified.stamp());
                }
                if (seen < index) low = place + 1;
                else high = place;
                if (low >= high) break;
            }
        }
        revert VerifiedReport_MissingFeed(index);
    }
}
