// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Kinds of trusted execution environment. The numbers are shared with the Python side.
library TeeKind {
    uint8 internal constant SGX = 1;
    uint8 internal constant TDX = 2;
    uint8 internal constant SNP = 3;
    uint8 internal constant NITRO = 4;
    uint8 internal constant CCA = 5;
    uint8 internal constant AZURE = 6;
    uint8 internal constant GCP = 7;
    uint8 internal constant TRUSTZONE = 8;
}

/// @notice Hardware vendors, as counted for diversity. An unknown vendor never adds diversity.
library Vendor {
    uint8 internal constant UNKNOWN = 0;
    uint8 internal constant INTEL = 1;
    uint8 internal constant AMD = 2;
    uint8 internal constant AWS = 3;
    uint8 internal constant ARM = 4;

    /// @notice The vendor whose hardware a kind of TEE stands on, as far as the kind alone says it.
    function ofTee(uint8 tee) internal pure returns (uint8) {
        if (tee == TeeKind.SGX || tee == TeeKind.TDX) return INTEL;
        if (tee == TeeKind.SNP) return AMD;
        if (tee == TeeKind.NITRO) return AWS;
        if (tee == TeeKind.CCA) return ARM;
        return UNKNOWN;
    }
}

/// @notice How evidence reaches the vendor's root. A larger number is a weaker tier.
library Tier {
    /// @dev Checked on-chain to the vendor's own root.
    uint8 internal constant DIRECT = 1;
    /// @dev Attested verifier enclaves vouch for it.
    uint8 internal constant ENDORSED = 2;
    /// @dev A cloud's signed token vouches for it.
    uint8 internal constant TOKEN = 3;
    /// @dev Emulated hardware; exists on local chains only.
    uint8 internal constant DEV = 4;
}
