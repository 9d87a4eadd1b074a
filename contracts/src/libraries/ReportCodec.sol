// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "../interfaces/IFeedHub.sol";

/// @notice An entry of a report: index u16 | value i64 | dispersion u16 | sources u8 | flags u8.
type Entry is uint256;
/// @notice The short fields of a report: observedAt u32 | count u16 | mask u64.
type Header is uint256;

using ReportCodec for Entry global;
using ReportCodec for Header global;

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
    function domainSeparator(address hub) internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, hub));
    }

    /// @notice Decode a report with `m` signatures into its short fields and packed entries.
    /// @dev Checks version, count and the exact length; neither entries nor signatures.
    function decode(bytes calldata report, uint256 m)
        internal
        pure
        returns (Header head, bytes memory entries)
    {
        // Of a short report these may be bytes that follow it; its length is refused below.
        uint256 version = _word(report, 0) >> 248;
        require(version == VERSION, IFeedHub.FeedHub_Version(version, VERSION));
        uint256 count_ = _word(report, COUNT_OFFSET) >> 240;
        require(
            count_ != 0 && count_ <= MAX_ENTRIES, IFeedHub.FeedHub_EntryCount(count_, MAX_ENTRIES)
        );
        unchecked {
            uint256 maskOffset = HEADER_BYTES + ENTRY_BYTES * count_;
            uint256 wanted = maskOffset + MASK_BYTES + SIGNATURE_BYTES * m;
            require(report.length == wanted, IFeedHub.FeedHub_ReportLength(report.length, wanted));
            head = Header.wrap(
                _word(report, OBSERVED_AT_OFFSET) >> 224 << 80 | count_ << 64
                    | _word(report, maskOffset) >> 192
            );
            entries = _copy(report, HEADER_BYTES, maskOffset - HEADER_BYTES);
        }
    }

    /// @return Seconds since the epoch.
    function observedAt(Header head) internal pure returns (uint32) {
        return uint32(Header.unwrap(head) >> 80);
    }

    /// @return Entries, 1 to 1,024.
    function count(Header head) internal pure returns (uint256) {
        return (Header.unwrap(head) >> 64) & 0xFFFF;
    }

    /// @return Positions that signed.
    function mask(Header head) internal pure returns (uint64) {
        return uint64(Header.unwrap(head));
    }

    /// @notice Running hash of the feed list that a decoded report's indexes refer to.
    function listRoot(bytes calldata report) internal pure returns (bytes32) {
        return bytes32(_word(report, LIST_ROOT_OFFSET));
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

    /// @notice The calldata address of the first signature; each has 64 bytes.
    function signaturesFrom(bytes calldata report, Header head)
        internal
        pure
        returns (uint256 pointer)
    {
        unchecked {
            uint256 offset = HEADER_BYTES + ENTRY_BYTES * head.count() + MASK_BYTES;
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
    function digest(Header head, bytes32 root, bytes memory entries, bytes32 domain)
        internal
        pure
        returns (bytes32 hash)
    {
        bytes32 typeHash = REPORT_TYPEHASH;
        uint256 moment = head.observedAt();
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
