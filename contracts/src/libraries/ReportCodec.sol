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

    /// @param observedAt Seconds since the epoch.
    /// @param listRoot Running hash of the feed list that the indexes refer to.
    /// @param count Entries, 1 to 1,024.
    /// @param mask Positions that signed.
    struct Header {
        uint256 observedAt;
        bytes32 listRoot;
        uint256 count;
        uint256 mask;
    }

    /// @notice The domain separator of reports to a hub on this chain.
    function domainSeparator(address hub) internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, hub));
    }

    /// @notice Decode a report with `m` signatures into its fixed fields and packed entries.
    /// @dev Checks version, count and the exact length; neither entries nor signatures.
    function decode(bytes calldata report, uint256 m)
        internal
        pure
        returns (Header memory head, bytes memory entries)
    {
        uint256 least = HEADER_BYTES + ENTRY_BYTES + MASK_BYTES;
        require(report.length >= least, IFeedHub.FeedHub_ReportLength(report.length, least));
        uint256 version = _word(report, 0) >> 248;
        require(version == VERSION, IFeedHub.FeedHub_Version(version, VERSION));
        uint256 count = _word(report, COUNT_OFFSET) >> 240;
        require(count != 0 && count <= MAX_ENTRIES, IFeedHub.FeedHub_EntryCount(count, MAX_ENTRIES));
        unchecked {
            uint256 maskOffset = HEADER_BYTES + ENTRY_BYTES * count;
            uint256 wanted = maskOffset + MASK_BYTES + SIGNATURE_BYTES * m;
            require(report.length == wanted, IFeedHub.FeedHub_ReportLength(report.length, wanted));
            head.observedAt = _word(report, OBSERVED_AT_OFFSET) >> 224;
            head.listRoot = bytes32(_word(report, LIST_ROOT_OFFSET));
            head.count = count;
            head.mask = _word(report, maskOffset) >> 192;
            entries = report[HEADER_BYTES:maskOffset];
        }
    }

    /// @notice The entry at an offset of the packed entries, a multiple of 14.
    /// @dev In memory and not in calldata, where the optimizer would load it again for every use.
    function entryAt(bytes memory entries, uint256 offset) internal pure returns (Entry entry) {
        assembly ("memory-safe") {
            entry := shr(144, mload(add(add(entries, 0x20), offset)))
        }
    }

    /// @notice The signature at a place below m: r, then yParity in the highest bit over s.
    function signatureAt(bytes calldata report, uint256 count, uint256 place)
        internal
        pure
        returns (bytes32 r, uint256 vs)
    {
        unchecked {
            uint256 offset =
                HEADER_BYTES + ENTRY_BYTES * count + MASK_BYTES + SIGNATURE_BYTES * place;
            return (bytes32(_word(report, offset)), _word(report, offset + 32));
        }
    }

    /// @notice The EIP-712 digest that the signers sign.
    function digest(Header memory head, bytes memory entries, bytes32 domain)
        internal
        pure
        returns (bytes32 hash)
    {
        bytes32 typeHash = REPORT_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            mstore(add(free, 0x20), VERSION)
            mstore(add(free, 0x40), mload(head)) // observedAt
            mstore(add(free, 0x60), mload(add(head, 0x20))) // listRoot
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

    /// @dev The 32 bytes at an offset, unchecked: beyond the report comes what follows it in calldata.
    function _word(bytes calldata report, uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(report.offset, offset))
        }
    }
}
