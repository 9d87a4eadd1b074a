// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What genuine evidence says about an enclave
/// @dev Times are seconds since the epoch.
/// @param tee Platform: 1 SGX, 2 TDX, 3 SNP, 4 NITRO, 5 CCA, 6 AZURE, 7 GCP, 8 TRUSTZONE.
/// @param tier Who vouches: 1 DIRECT (the vendor's root), 2 ENDORSED, 3 TOKEN, 4 DEV (an emulated
///        vendor).
/// @param tcbStatus Status of the platform's trusted computing base under the vendor's signed
///        collateral, merged over all its parts; see `TcbStatus`. 0 says that it was not appraised.
/// @param evaluationNumber Lowest TCB evaluation data number of the collateral used; 0 where the
///        vendor has none.
/// @param publicSince When the vendor made that number public; 0 if that was not shown, or if the
///        collateral used is of two numbers.
/// @param supersededAt When the vendor made the next higher number public; the greatest uint64 if
///        there is none; 0 if that was not shown.
/// @param imageId keccak256 over the platform's tag byte and every field of the report that
///        identifies the code.
/// @param hwId Pseudonym of the physical machine: keccak256 over a vendor byte and the vendor's
///        platform identifier.
/// @param reportData0 Bytes 0 to 31 of the 64 bytes the enclave chose.
/// @param reportData1 Bytes 32 to 63 of them.
/// @param notAfter Last moment at which every certificate used is valid.
/// @param collateralUntil Last moment at which all collateral used is in date; the greatest uint64
///        where the vendor has none.
/// @param advisories Names of the vendor's advisories that are open for this platform, as the
///        vendor lists them: `"NAME","NAME"`; empty when there are none.
struct Claims {
    uint8 tee;
    uint8 tier;
    uint8 tcbStatus;
    uint32 evaluationNumber;
    uint64 publicSince;
    uint64 supersededAt;
    bytes32 imageId;
    bytes32 hwId;
    bytes32 reportData0;
    bytes32 reportData1;
    uint64 notAfter;
    uint64 collateralUntil;
    bytes advisories;
}

/// @title Verifier of one family of attestation evidence
/// @notice Evidence in, claims out; or a typed error that names the failed check.
interface IAttestationVerifier {
    /// @notice Verify endorsements that are the same for many pieces of evidence, such as the
    ///         certificate of a machine, and keep them. Anyone may call, as often as they like.
    /// @param endorsements In the encoding of this verifier.
    function addEndorsements(bytes calldata endorsements) external;

    /// @notice Verify evidence up to the vendor's root.
    /// @dev Establishes that the evidence is genuine, that the enclave is not debuggable, and what
    ///      it measured; and what the vendor says of its platform, in `tcbStatus`. Does NOT
    ///      establish that this status is good enough, that the image is approved, that the
    ///      evidence is recent, or whose it is: the registry does. Reverts on anything else than
    ///      genuine evidence whose certificates and collateral are in date.
    /// @param evidence The vendor's signed structures without the certificate chain; at most a few
    ///        kilobytes.
    /// @param hints What helps to verify and proves nothing by itself: for example the part of the
    ///        vendor's tables that concerns this platform.
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
