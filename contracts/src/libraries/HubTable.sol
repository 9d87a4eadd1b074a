// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SeatEntry} from "../interfaces/ISignerSet.sol";
import {Lane} from "../types/Lane.sol";
import {Tier} from "../types/Tee.sol";
import {Narrow} from "./Narrow.sol";

/// @notice A signer in the table: address 160 | expiresAt 40 | vendor 4 | tier 4. Zero: nobody.
type SignerRow is uint256;
/// @notice A feed in the table: minAnswer i64 | maxAnswer i64 | jumpBps u16 | history 1 | jumpLapse_s u31.
type LimitsRow is uint256;

using HubTable for SignerRow global;
using HubTable for LimitsRow global;

/// @title The table a hub reads with one copy: signers, the feeds' limits, `listRoot`
/// @dev Layout: positions x SignerRow (26 bytes) | listRoot (32) | feeds x LimitsRow (22 bytes). With 32
///      seats and 1,024 feeds that is 24,224 bytes, which fits the code of one contract. The feeds come
///      last, so that a report need not pay for those listed after its own.
library HubTable {
    uint256 internal constant SIGNER_BYTES = 26;
    uint256 internal constant LIMITS_BYTES = 22;
    uint256 private constant HISTORY = 1 << 31;
    uint256 private constant BPS = 10_000;

    /// @notice Bytes of a table.
    function size(uint256 positions, uint256 feeds) internal pure returns (uint256) {
        unchecked {
            return SIGNER_BYTES * positions + LIMITS_BYTES * feeds + 32;
        }
    }

    /// @notice Write a table.
    function encode(SignerRow[] memory signers, LimitsRow[] memory limits, bytes32 listRoot)
        internal
        pure
        returns (bytes memory out)
    {
        out = new bytes(size(signers.length, limits.length));
        // Ascending writes of whole words: each overwrites the tail of the one before, and the last
        // reaches 10 bytes beyond the end, into memory that nobody holds yet.
        for (uint256 i = 0; i < signers.length; ++i) {
            _put(out, SIGNER_BYTES * i, SignerRow.unwrap(signers[i]) << 48);
        }
        uint256 start = SIGNER_BYTES * signers.length;
        _put(out, start, uint256(listRoot));
        for (uint256 i = 0; i < limits.length; ++i) {
            _put(out, start + 32 + LIMITS_BYTES * i, LimitsRow.unwrap(limits[i]) << 80);
        }
    }

    /// @notice The signer at a position of the table.
    function signerAt(bytes memory rows, uint256 position) internal pure returns (SignerRow) {
        unchecked {
            return SignerRow.wrap(_get(rows, SIGNER_BYTES * position) >> 48);
        }
    }

    /// @notice The memory address of the first feed's limits.
    function limitsFrom(bytes memory rows, uint256 positions)
        internal
        pure
        returns (uint256 pointer)
    {
        unchecked {
            uint256 offset = 64 + SIGNER_BYTES * positions;
            assembly ("memory-safe") {
                pointer := add(rows, offset)
            }
        }
    }

    /// @notice The limits of a feed of the table.
    /// @param first What `limitsFrom` gave.
    function limitsAt(uint256 first, uint256 index) internal pure returns (LimitsRow row) {
        unchecked {
            uint256 offset = LIMITS_BYTES * index;
            assembly ("memory-safe") {
                row := shr(80, mload(add(first, offset)))
            }
        }
    }

    /// @notice The running hash of the table's list of feeds.
    function listRootOf(bytes memory rows, uint256 positions) internal pure returns (bytes32) {
        unchecked {
            return bytes32(_get(rows, SIGNER_BYTES * positions));
        }
    }

    /// @notice A signer's row; none if its tier is weaker than `minTier`, or is none.
    function signerRow(SeatEntry memory entry, uint256 minTier) internal pure returns (SignerRow) {
        if (entry.signer == address(0)) return SignerRow.wrap(0);
        if (entry.tier < Tier.DIRECT || entry.tier > minTier) return SignerRow.wrap(0);
        uint256 expiresAt_ = entry.expiresAt;
        if (expiresAt_ > type(uint40).max) expiresAt_ = type(uint40).max;
        return SignerRow.wrap(
            uint256(uint160(entry.signer)) << 48 | expiresAt_ << 8 | uint256(entry.vendor & 0xF)
                << 4 | (entry.tier & 0xF)
        );
    }

    function signer(SignerRow row) internal pure returns (address) {
        return address(uint160(SignerRow.unwrap(row) >> 48));
    }

    function expiresAt(SignerRow row) internal pure returns (uint256) {
        return (SignerRow.unwrap(row) >> 8) & 0xFFFFFFFFFF;
    }

    function vendor(SignerRow row) internal pure returns (uint256) {
        return (SignerRow.unwrap(row) >> 4) & 0xF;
    }

    function tier(SignerRow row) internal pure returns (uint256) {
        return SignerRow.unwrap(row) & 0xF;
    }

    /// @notice A feed's row; the bounds are positive.
    /// @param jumpLapse_s_ Below 2^31.
    function limitsRow(
        int64 min,
        int64 max,
        uint16 jumpBps_,
        uint32 jumpLapse_s_,
        bool keepsHistory_
    ) internal pure returns (LimitsRow) {
        return LimitsRow.wrap(
            Narrow.positive(min) << 112 | Narrow.positive(max) << 48 | uint256(jumpBps_) << 32
                | (keepsHistory_ ? HISTORY : 0) | jumpLapse_s_
        );
    }

    function minAnswer(LimitsRow row) internal pure returns (uint256) {
        return LimitsRow.unwrap(row) >> 112;
    }

    function maxAnswer(LimitsRow row) internal pure returns (uint256) {
        return (LimitsRow.unwrap(row) >> 48) & 0xFFFFFFFFFFFFFFFF;
    }

    function jumpBps(LimitsRow row) internal pure returns (uint256) {
        return (LimitsRow.unwrap(row) >> 32) & 0xFFFF;
    }

    function jumpLapse_s(LimitsRow row) internal pure returns (uint256) {
        return LimitsRow.unwrap(row) & 0x7FFFFFFF;
    }

    function keepsHistory(LimitsRow row) internal pure returns (bool) {
        return LimitsRow.unwrap(row) & HISTORY != 0;
    }

    /// @notice Whether an answer lies within the bounds.
    function isInBounds(LimitsRow row, uint256 answer) internal pure returns (bool) {
        return answer >= row.minAnswer() && answer <= row.maxAnswer();
    }

    /// @notice Whether an answer is too far from the stored one, which is not yet old enough to allow it.
    /// @dev Nothing overflows: times have 32 bits, answers 63, basis points 16. A feed that was never
    ///      written has a round at moment 0, which is old enough.
    function isJump(LimitsRow row, Lane stored, uint256 answer, uint256 observedAt)
        internal
        pure
        returns (bool)
    {
        unchecked {
            if (observedAt - stored.observedAt() > row.jumpLapse_s()) return false;
            uint256 from = stored.rawValue();
            uint256 step = answer > from ? answer - from : from - answer;
            return step * BPS > row.jumpBps() * from;
        }
    }

    /// @notice The running hash of the table's list of feeds, which stands before their limits.
    /// @param first What `limitsFrom` gave.
    function listRootBefore(uint256 first) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            root := mload(sub(first, 0x20))
        }
    }

    /// @dev The 32 bytes at an offset, unchecked.
    function _get(bytes memory rows, uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(rows, 0x20), offset))
        }
    }

    /// @dev Writes 32 bytes at an offset, unchecked.
    function _put(bytes memory out, uint256 offset, uint256 word) private pure {
        assembly ("memory-safe") {
            mstore(add(add(out, 0x20), offset), word)
        }
    }
}
