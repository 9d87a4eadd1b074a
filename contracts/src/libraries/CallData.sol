// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Fixed parts of calldata whose length was checked before, and hashes of them without a
///         copy that stays. Numbers are big-endian.
/// @dev Nothing here looks at an end: the caller knows that what it asks for lies inside.
library CallData {
    /// @notice The 32 bytes from a position; what lies after the end of `data` is arbitrary.
    function word(bytes calldata data, uint256 offset) internal pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := calldataload(add(data.offset, offset))
        }
    }

    function u8(bytes calldata data, uint256 offset) internal pure returns (uint8 value) {
        assembly ("memory-safe") {
            value := shr(248, calldataload(add(data.offset, offset)))
        }
    }

    function u16(bytes calldata data, uint256 offset) internal pure returns (uint16 value) {
        assembly ("memory-safe") {
            value := shr(240, calldataload(add(data.offset, offset)))
        }
    }

    function u32(bytes calldata data, uint256 offset) internal pure returns (uint32 value) {
        assembly ("memory-safe") {
            value := shr(224, calldataload(add(data.offset, offset)))
        }
    }

    function u40(bytes calldata data, uint256 offset) internal pure returns (uint40 value) {
        assembly ("memory-safe") {
            value := shr(216, calldataload(add(data.offset, offset)))
        }
    }

    function b2(bytes calldata data, uint256 offset) internal pure returns (bytes2 value) {
        assembly ("memory-safe") {
            value := shl(240, shr(240, calldataload(add(data.offset, offset))))
        }
    }

    function b4(bytes calldata data, uint256 offset) internal pure returns (bytes4 value) {
        assembly ("memory-safe") {
            value := shl(224, shr(224, calldataload(add(data.offset, offset))))
        }
    }

    function b6(bytes calldata data, uint256 offset) internal pure returns (bytes6 value) {
        assembly ("memory-safe") {
            value := shl(208, shr(208, calldataload(add(data.offset, offset))))
        }
    }

    function b8(bytes calldata data, uint256 offset) internal pure returns (bytes8 value) {
        assembly ("memory-safe") {
            value := shl(192, shr(192, calldataload(add(data.offset, offset))))
        }
    }

    function b16(bytes calldata data, uint256 offset) internal pure returns (bytes16 value) {
        assembly ("memory-safe") {
            value := shl(128, shr(128, calldataload(add(data.offset, offset))))
        }
    }

    /// @notice `size` bytes from a position.
    function part(bytes calldata data, uint256 offset, uint256 size)
        internal
        pure
        returns (bytes calldata cut)
    {
        assembly ("memory-safe") {
            cut.offset := add(data.offset, offset)
            cut.length := size
        }
    }

    /// @notice The bytes from a position to the end.
    function from(bytes calldata data, uint256 offset) internal pure returns (bytes calldata cut) {
        assembly ("memory-safe") {
            cut.offset := add(data.offset, offset)
            cut.length := sub(data.length, offset)
        }
    }

    /// @notice keccak256.
    function keccak(bytes calldata data) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            calldatacopy(scratch, data.offset, data.length)
            digest := keccak256(scratch, data.length)
        }
    }

    /// @notice keccak256 of one byte and the data.
    function keccakTagged(uint8 tag, bytes calldata data) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            mstore8(scratch, tag)
            calldatacopy(add(scratch, 1), data.offset, data.length)
            digest := keccak256(scratch, add(data.length, 1))
        }
    }

    /// @notice keccak256 of the data and a word.
    function keccakWith(bytes calldata data, bytes32 last) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            calldatacopy(scratch, data.offset, data.length)
            mstore(add(scratch, data.length), last)
            digest := keccak256(scratch, add(data.length, 0x20))
        }
    }

    /// @notice SHA-256 of two parts, one after the other.
    function sha(bytes calldata first, bytes calldata second)
        internal
        view
        returns (bytes32 digest)
    {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            let size := add(first.length, second.length)
            calldatacopy(scratch, first.offset, first.length)
            calldatacopy(add(scratch, first.length), second.offset, second.length)
            let isDone := staticcall(gas(), 0x02, scratch, size, 0x00, 0x20)
            let answered := returndatasize()
            if iszero(and(isDone, eq(answered, 0x20))) { revert(0, 0) }
            digest := mload(0x00)
        }
    }
}
