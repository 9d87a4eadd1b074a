// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What genuine evidence says about an enclave
/// @param tee Platform: 1 SGX, 2 TDX, 3 SNP, 4 NITRO, 5 CCA, 6 AZURE, 7 GCP, 8 TRUSTZONE.
/// @param tier Who vouches: 1 DIRECT (the vendor's root), 2 ENDORSED, 3 TOKEN, 4 DEV (an emulated
///        vendor).
/// @param tcbStatus Status of the platform's trusted computing base under the vendor's signed
///        collateral; 0 says that it was not appraised.
/// @param imageId keccak256 over the platform's tag byte and every field of the report that
///        identifies the code.
/// @param hwId Pseudonym of the physical machine: keccak256 over a vendor byte and the vendor's
///        platform identifier.
/// @param reportData0 Bytes 0 to 31 of the 64 bytes the enclave chose.
/// @param reportData1 Bytes 32 to 63 of them.
/// @param notAfter Last moment, in seconds since the epoch, at which every certificate used is
///        valid.
struct Claims {
    uint8 tee;
    uint8 tier;
    uint8 tcbStatus;
    bytes32 imageId;
    bytes32 hwId;
    bytes32 reportData0;
    bytes32 reportData1;
    uint64 notAfter;
}

/// @title Verifier of one family of attestation evidence
/// @notice Evidence in, claims out; or a typed error that names the failed check.
interface IAttestationVerifier {
    /// @notice Verify evidence up to the vendor's root.
    /// @dev Establishes that the evidence is genuine, that the enclave is not debuggable, and what
    ///      it measured. Does NOT establish that the image is approved, that the evidence is
    ///      recent, or whose it is: the registry does, from the image id and the report data.
    ///      Reverts on anything else than genuine evidence.
    /// @param evidence The vendor's signed structures without the certificate chain; at most a few
    ///        kilobytes.
    /// @param hints What helps to verify and proves nothing: for example the identifier of a cached
    ///        certificate.
    /// @return claims What the evidence says.
    function verify(bytes calldata evidence, bytes calldata hints)
        external
        view
        returns (Claims memory claims);

    /// @notice The tier of every claim of this verifier, derived from its root at construction.
    /// @return 1 DIRECT, 2 ENDORSED, 3 TOKEN, 4 DEV.
    function tier() external view returns (uint8);

    /// @notice What this verifier verifies, for people.
    /// @return A short constant name, for example `dcap/1`.
    function name() external view returns (string memory);
}
