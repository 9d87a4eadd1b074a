// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title SHA-384 by a contract that does nothing else (`Sha384Machine`)
/// @dev Reference: FIPS 180-4.
library Sha384 {
    uint256 private constant SIZE = 48;

    /// @notice What answered is no `Sha384Machine`, or it had too little gas.
    error Sha384_NoDigest(address machine, uint256 seenBytes);

    /// @notice The digest of a message, 48 bytes.
    /// @param machine A `Sha384Machine`.
    /// @param message Costs about 20,200 gas for each 128 bytes, begun ones included.
    function digest(address machine, bytes memory message)
        internal
        view
        returns (bytes memory result)
    {
        bool isDone;
        uint256 size;
        assembly ("memory-safe") {
            result := mload(0x40)
            mstore(result, SIZE)
            mstore(0x40, add(result, 0x60))
            // What is read after the call stands in statements of its own.
            mstore(add(result, 0x40), 0)
            isDone := staticcall(
                gas(),
                machine,
                add(message, 0x20),
                mload(message),
                add(result, 0x20),
                SIZE
            )
            size := returndatasize()
        }
        require(isDone && size == SIZE, Sha384_NoDigest(machine, size));
    }
}
