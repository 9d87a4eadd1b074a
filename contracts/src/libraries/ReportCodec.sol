// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "../interfaces/IFeedHub.sol";

/// @notice An entry of a report: index u16 | value i64 | dispersion u16 | sources u8 | flags u8.
type Entry is uint256;

using ReportCodec for Entry global;

/// @title The format of reports; see `IFeedHub`
/// @dev Byte for byte the same as `enclave/domain/report.py`.
library ReportCodec {
    uint256 internal constant VERSION = 1;
    uint256 internal constant MAX_ENTRIES = 1024;
    uint256 internal constant ENTRY_BYTES = 14;
    uint256 internal constant SIGNATURE_BYTES = 64;
    uint256 private constant OBSERVED_AT_OFFSET = 1;
    uint256 private constant LIST_ROOT_OFFSET = 5;
    uint256 private constant COUNT_OFFSET = 37;
    uint256 private constant HEADER_BYTES = 39;
    uint256 private constant MASK_BYTES = 8;
    uint256 private constant HUB_FLAGS = 0xF0;

    bytes32 internal constant REPORT_TYPEHASH =
        keccak256("Report(uint8 version,uint32 observedAt,bytes32 listRoot,bytes entries)");
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant NAME_HASH = keccak256("ConfidentialOracle");
    bytes32 private constant VERSION_HASH = keccak256("1");

    /// @notice The domain separator of reports to a hub on this chain.
    function domainSeparator(address hub) internal view returns (bytes32 hash) {
        bytes32 typeHash = DOMAIN_TYPEHASH;
        bytes32 nameHash = NAME_HASH;
        bytes32 versionHash = VERSION_HASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            mstore(add(free, 0x20), nameHash)
            mstore(add(free, 0x40), versionHash)
            mstore(add(free, 0x60), chainid())
            mstore(add(free, 0x80), shr(96, shl(96, hub)))
            hash := keccak256(free, 0xa0)
        }
    }

    /// @notice The packed entries of a report with `m` signatures, in memory.
    /// @dev Checks version, count and the exact length; neither entries nor signatures.
    function decode(bytes calldata report, uint256 m) internal pure returns (bytes memory entries) {
        // Of a short report these may be bytes that follow it; its length is refused below.
        uint256 version = _word(report, 0) >> 248;
        require(version == VERSION, IFeedHub.FeedHub_Version(version, VERSION));
        uint256 count = _countOf(report);
        unchecked {
            // Of 0 and of too many alike.
            require(count - 1 < MAX_ENTRIES, IFeedHub.FeedHub_EntryCount(count, MAX_ENTRIES));
            uint256 length = ENTRY_BYTES * count;
            uint256 wanted = HEADER_BYTES + MASK_BYTES + length + SIGNATURE_BYTES * m;
            require(report.length == wanted, IFeedHub.FeedHub_ReportLength(report.length, wanted));
            return _copy(report, HEADER_BYTES, length);
        }
    }

    /// @notice Whether the bytes hold a header and as many entries as it counts, one at least; no more is
    ///         checked.
    function isFramed(bytes calldata report) internal pure returns (bool) {
        uint256 count = _countOf(report);
        unchecked {
            return count != 0 && report.length >= HEADER_BYTES + ENTRY_BYTES * count;
        }
    }

    /// @notice Whether a framed report has an entry of a feed.
    /// @dev Of one that is out of order, which the hub refuses, this may miss entries.
    function names(bytes calldata report, uint16 index_) internal pure returns (bool) {
        uint256 low = 0;
        uint256 high = _countOf(report);
        unchecked {
            while (low < high) {
                uint256 middle = (low + high) >> 1;
                uint256 seen = _word(report, HEADER_BYTES + ENTRY_BYTES * middle) >> 240;
                if (seen == index_) return true;
                if (seen < index_) low = middle + 1;
                else high = middle;
            }
        }
        return false;
    }

    /// @return Seconds since the epoch, below 2^32, of a framed report.
    function observedAt(bytes calldata report) internal pure returns (uint256) {
        return _word(report, OBSERVED_AT_OFFSET) >> 224;
    }

    /// @notice Running hash of the feed list that a decoded report's indexes refer to.
    function listRoot(bytes calldata report) internal pure returns (bytes32) {
        return bytes32(_word(report, LIST_ROOT_OFFSET));
    }

    /// @return Positions that signed a decoded report, below 2^64.
    function mask(bytes calldata report, bytes memory entries) internal pure returns (uint256) {
        unchecked {
            return _word(report, HEADER_BYTES + entries.length) >> 192;
        }
    }

    /// @notice The memory address of the first entry.
    function start(bytes memory entries) internal pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := add(entries, 0x20)
        }
    }

    /// @notice The memory address after the last entry.
    function end(bytes memory entries) internal pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := add(add(entries, 0x20), mload(entries))
        }
    }

    /// @notice The memory address of the next entry.
    function following(uint256 pointer) internal pure returns (uint256) {
        unchecked {
            return pointer + ENTRY_BYTES;
        }
    }

    /// @notice The entry at a memory address from `start` to before `end`.
    /// @dev In memory and not in calldata, where the optimizer would load it again for every use.
    function entryAt(uint256 pointer) internal pure returns (Entry entry) {
        assembly ("memory-safe") {
            entry := shr(144, mload(pointer))
        }
    }

    /// @notice The last entry.
    function lastEntry(bytes memory entries) internal pure returns (Entry) {
        unchecked {
            return entryAt(end(entries) - ENTRY_BYTES);
        }
    }

    /// @notice The calldata address of a decoded report's first signature; each has 64 bytes.
    function signaturesFrom(bytes calldata report, bytes memory entries)
        internal
        pure
        returns (uint256 pointer)
    {
        unchecked {
            uint256 offset = HEADER_BYTES + MASK_BYTES + entries.length;
            assembly ("memory-safe") {
                pointer := add(report.offset, offset)
            }
        }
    }

    /// @notice The signature at a calldata address: r, then yParity in the highest bit over s.
    function signatureAt(uint256 pointer) internal pure returns (bytes32 r, uint256 vs) {
        assembly ("memory-safe") {
            r := calldataload(pointer)
            vs := calldataload(add(pointer, 0x20))
        }
    }

    /// @notice The EIP-712 digest that the signers sign.
    /// @param moment The report's `observedAt`.
    function digest(uint256 moment, bytes32 root, bytes memory entries, bytes32 domain)
        internal
        pure
        returns (bytes32 hash)
    {
        bytes32 typeHash = REPORT_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            mstore(add(free, 0x20), VERSION)
            mstore(add(free, 0x40), moment)
            mstore(add(free, 0x60), root)
            mstore(add(free, 0x80), keccak256(add(entries, 0x20), mload(entries)))
            let structHash := keccak256(free, 0xa0)
            mstore(free, shl(240, 0x1901))
            mstore(add(free, 0x02), domain)
            mstore(add(free, 0x22), structHash)
            hash := keccak256(free, 0x42)
        }
    }

    function index(Entry entry) internal pure returns (uint256) {
        return Entry.unwrap(entry) >> 96;
    }

    /// @return Two's complement in the low 64 bits; a positive answer is its own number, a negative one
    ///         is above every positive.
    function rawValue(Entry entry) internal pure returns (uint256) {
        return (Entry.unwrap(entry) >> 32) & 0xFFFFFFFFFFFFFFFF;
    }

    /// @return dispersion u16 | sources u8 | flags u8
    function quality(Entry entry) internal pure returns (uint256) {
        return Entry.unwrap(entry) & 0xFFFFFFFF;
    }

    /// @return The flag bits that belong to the hub and must be zero in a report.
    function hubFlags(Entry entry) internal pure returns (uint256) {
        return Entry.unwrap(entry) & HUB_FLAGS;
    }

    function _countOf(bytes calldata report) private pure returns (uint256) {
        return _word(report, COUNT_OFFSET) >> 240;
    }

    /// @dev A part of the report, unchecked.
    function _copy(bytes calldata report, uint256 offset, uint256 length)
        private
        pure
        returns (bytes memory part)
    {
        assembly ("memory-safe") {
            part := mload(0x40)
            mstore(part, length)
            calldatacopy(add(part, 0x20), add(report.offset, offset), length)
            mstore(0x40, and(add(add(part, 0x3f), length), not(0x1f)))
        }
    }

    /// @dev The 32 bytes at an offset, unchecked: beyond the report comes what follows it in calldata.
    function _word(bytes calldata report, uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(report.offset, offset))
        }
    }
}
