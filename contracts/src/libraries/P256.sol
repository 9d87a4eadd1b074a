// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice ECDSA over P-256 by the precompile P256VERIFY, or by a contract that is called as it is
///         (`SolidityP256`).
/// @dev Reference: EIP-7951. The backend checks 0 < r, s < n and that the key is on the curve;
///      it answers a failure with success and no data, which is why the length of the answer is
///      part of the check. Signatures are malleable (s and n - s): never key anything on one.
library P256 {
    address internal constant PRECOMPILE = address(0x100);

    /// @notice Whether a signature verifies.
    /// @param backend Who verifies it; one for which `isAvailable`.
    /// @param digest SHA-256 of the message.
    /// @param r First half of the signature.
    /// @param s Second half.
    /// @param x First coordinate of the key.
    /// @param y Second coordinate.
    function verify(address backend, bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y)
        internal
        view
        returns (bool isGenuine)
    {
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore(input, digest)
            mstore(add(input, 0x20), r)
            mstore(add(input, 0x40), s)
            mstore(add(input, 0x60), x)
            mstore(add(input, 0x80), y)
            // Yul evaluates arguments from right to left: what is read after the call stands in
            // statements of its own.
            mstore(0x00, 0)
            let isDone := staticcall(gas(), backend, input, 0xa0, 0x00, 0x20)
            let size := returndatasize()
            let answer := mload(0x00)
            isGenuine := and(isDone, and(eq(size, 0x20), eq(answer, 1)))
        }
    }

    /// @notice Whether a backend is one: it takes a good signature and refuses a bad one.
    /// @dev The vector is RFC 6979, A.2.5, SHA-256 of "sample".
    function isAvailable(address backend) internal view returns (bool) {
        bytes32 digest = sha256("sample");
        bytes32 r = 0xefd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716;
        bytes32 s = 0xf7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8;
        bytes32 x = 0x60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6;
        bytes32 y = 0x7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299;
        return verify(backend, digest, r, s, x, y) && !verify(backend, ~digest, r, s, x, y);
    }
}
