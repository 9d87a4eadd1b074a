// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title ECDSA over P-384, by a machine that is told how and believes nothing (`P384Machine`)
/// @dev Reference: FIPS 186-5, section 6.4.2. Signatures are malleable (s and n - s), and so are
///      hints: never key anything on one. Why no hint makes a wrong signature pass stands in
///      contracts/README.md.
library P384 {
    uint256 private constant DIGEST_SIZE = 48;
    uint256 private constant PAIR_SIZE = 96;

    /// @notice Whether a signature verifies.
    /// @param machine A `P384Machine`.
    /// @param digest SHA-384 of the message, 48 bytes.
    /// @param signature r and s, 48 bytes each.
    /// @param key Coordinates of the public key, 48 bytes each.
    /// @param hint From `oracle.attestation.codecs.p384_hints.prove`, about 15,500 bytes. Any other is
    ///        refused, but it may be a long program: what it costs is up to whoever brings it.
    /// @return isGenuine False for any other lengths as well.
    function verify(
        address machine,
        bytes memory digest,
        bytes memory signature,
        bytes memory key,
        bytes calldata hint
    ) internal view returns (bool isGenuine) {
        if (
            digest.length != DIGEST_SIZE || signature.length != PAIR_SIZE || key.length != PAIR_SIZE
        ) {
            return false;
        }
        assembly ("memory-safe") {
            function widen(to, from) {
                mstore(to, shr(128, mload(from)))
                mstore(add(to, 0x20), mload(add(from, 0x10)))
            }
            let input := mload(0x40)
            widen(input, add(digest, 0x20))
            widen(add(input, 0x40), add(signature, 0x20))
            widen(add(input, 0x80), add(signature, 0x50))
            widen(add(input, 0xc0), add(key, 0x20))
            widen(add(input, 0x100), add(key, 0x50))
            calldatacopy(add(input, 0x140), hint.offset, hint.length)
            mstore(0x00, 0)
            let isDone := staticcall(gas(), machine, input, add(0x140, hint.length), 0x00, 0x20)
            let size := returndatasize()
            let answer := mload(0x00)
            isGenuine := and(isDone, and(eq(size, 0x20), eq(answer, 1)))
        }
    }
}
