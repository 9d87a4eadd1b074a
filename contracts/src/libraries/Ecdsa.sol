// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Signatures on secp256k1 in the compact form of EIP-2098
library Ecdsa {
    /// @notice Half the order of the curve. Of the two s that verify, only the lower is accepted.
    uint256 internal constant MAX_S =
        0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    uint256 private constant S_MASK = (1 << 255) - 1;

    /// @notice The s of a compact signature.
    function sOf(uint256 vs) internal pure returns (uint256) {
        return vs & S_MASK;
    }

    /// @notice The address whose key made a signature, or zero if there is none.
    /// @dev Does not refuse a high s.
    /// @param vs yParity in the highest bit, over s.
    function recover(bytes32 digest, bytes32 r, uint256 vs) internal pure returns (address) {
        uint8 v = vs >> 255 == 0 ? 27 : 28;
        return ecrecover(digest, v, r, bytes32(sOf(vs)));
    }
}
