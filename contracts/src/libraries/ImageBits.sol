// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A bit for each index that the image policy can give, 1 to 8,191
struct ImageBits {
    uint256[32] words;
}

library ImageBitsLib {
    uint256 private constant INDEX_MASK = 0x1FFF;

    /// @dev Bits above the thirteenth of an index are not heeded.
    function set(ImageBits storage bits, uint256 index) internal {
        bits.words[(index & INDEX_MASK) >> 8] |= uint256(1) << (index & 0xFF);
    }

    /// @dev Bits above the thirteenth of an index are not heeded.
    function has(ImageBits storage bits, uint256 index) internal view returns (bool isSet) {
        assembly ("memory-safe") {
            // The index of the word is below 32, so that it needs no further check.
            let word := sload(add(bits.slot, shr(8, and(index, INDEX_MASK))))
            isSet := and(shr(and(index, 0xFF), word), 1)
        }
    }
}
