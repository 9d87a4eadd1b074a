// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationVerifier} from "./IAttestationVerifier.sol";
import {IIntelCollateral} from "./IIntelCollateral.sol";

/// @title What the verifier keeps of a machine whose PCK certificate it verified, in one slot
/// @param validUntil Earlier end of the certificate and of its CA, inclusive, in seconds since the
///        epoch; 0 when nothing is kept.
/// @param epoch The revocation epoch in which it was verified.
/// @param serial The certificate's serial number, by which it can be evicted.
struct KeptPck {
    uint40 validUntil;
    uint16 epoch;
    uint160 serial;
}

/// @title Verifier of Intel's ECDSA quotes: SGX versions 3 to 5, TDX versions 4 and 5
/// @notice Checks a quote up to the vendor's root and appraises it by the vendor's collateral. The
///         certificate of a machine is brought once, by anyone.
/// @dev Evidence is `header (48) | body type and size (6, version 5 only) | body (384 SGX, 584 TD
///      1.0, 648 TD 1.5) | signature (64) | attestation key (64) | QE report (384) | QE report
///      signature (64) | QE authentication data (0 to 1,024)`; hints are in `DcapHints`. A quote is
///      genuine when the chain root > CA > PCK > QE report > attestation key > header and body
///      holds, and the quoting enclave is the vendor's.
///
///      A *machine* is what a PCK certificate says of one, 138 bytes packed (`DcapHints`); its id
///      is the keccak256 of them. It is kept for as long as certificate and CA last and no new
///      revocation epoch begins, and until someone shows that its CA revoked it: nothing looks at
///      the CA's newer lists by itself.
///
///      The image id does not depend on the version, but on the body: a TD 1.5 body's covers
///      MRSERVICETD, so that one trust domain has two ids, by the body that its quotes have. A TD
///      1.0 body does not say whether a service TD is bound.
///
///      OUT_OF_DATE and REVOKED are statuses that verify: whoever relies on the claims judges
///      them. What meets no level of the collateral reverts with the errors of `TcbProof`.
///
///      Reference: Intel SGX ECDSA QuoteGenReference / Intel TDX DCAP Quoting Library, "quote
///      format"; Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.
interface IDcapVerifier is IAttestationVerifier {
    /// @notice A PCK certificate was verified; `certificate` is the whole DER certificate. Its
    ///         machine is kept until `validUntil` at least.
    event PckCached(
        bytes32 indexed pckId,
        bytes32 indexed caId,
        bytes32 indexed hwId,
        uint40 validUntil,
        bytes certificate
    );

    /// @notice A machine is no longer kept: its CA revoked the certificate.
    event PckEvicted(bytes32 indexed pckId, bytes32 indexed caId, bytes32 indexed hwId);

    /// @notice There is no contract that could be the collateral.
    error DcapVerifier_NoCode(address seen);

    /// @notice A certificate or a list is longer than any of its kind.
    error DcapVerifier_TooLong(uint256 seen, uint256 wantedMax);

    /// @notice The certificate's issuer is not its CA; both are first halves of the keccak256 of
    ///         the DER `Name`.
    error DcapVerifier_IssuerMismatch(bytes16 seen, bytes16 wanted);

    /// @notice The certificate's signature does not verify with its CA's key.
    error DcapVerifier_CertificateSignature(bytes32 id);

    /// @notice The certificate is not valid yet.
    error DcapVerifier_CertificateNotYetValid(uint256 seen, uint256 wantedMax);

    /// @notice The certificate, or its CA's, has ended.
    error DcapVerifier_CertificateExpired(uint256 seen, uint256 wantedMin);

    /// @notice The certificate that is to be a leaf is a CA.
    error DcapVerifier_LeafIsCa(bytes32 id);

    /// @notice The key usage (first octet of its bits) lacks what a leaf's must have, or allows
    ///         more.
    error DcapVerifier_KeyUsage(uint8 seen, uint8 wantedSet, uint8 wantedClear);

    /// @notice The leaf has no SGX extension: it names no machine.
    error DcapVerifier_NoSgxExtension(bytes32 id);

    /// @notice The machine is not kept.
    error DcapVerifier_UnknownPck(bytes32 seen);

    /// @notice The machine's certificate was verified before a revocation by the root, and not
    ///         again since.
    error DcapVerifier_PckEpoch(uint16 seen, uint16 wanted);

    /// @notice The machine's certificate is not on its CA's list.
    error DcapVerifier_NotRevoked(uint160 serial);

    /// @notice The hints, or what is left of them where the next item is to begin, are shorter than
    ///         what they must hold.
    error DcapVerifier_HintsLength(uint256 seen, uint256 wantedMin);

    /// @notice The hints go on after their last item.
    error DcapVerifier_HintsLeft(uint256 seen);

    /// @notice The list of advisories is not the level's; keccak256 of both, 0 for an empty one.
    error DcapVerifier_Advisories(bytes32 seen, bytes32 wanted);

    /// @notice The evidence is shorter or longer than its kind can be.
    error DcapVerifier_EvidenceLength(uint256 seen, uint256 wantedMin, uint256 wantedMax);

    /// @notice The first eight bytes (version, key type, TEE type) are of no quote that is
    ///         supported here.
    error DcapVerifier_UnsupportedQuote(bytes8 seen);

    /// @notice Type and size of the body of a version 5 quote (`head` is its first eight bytes) are
    ///         none that its TEE has.
    error DcapVerifier_UnsupportedBody(bytes8 head, bytes6 seen);

    /// @notice The quote comes from a quoting enclave of another vendor.
    error DcapVerifier_QeVendor(bytes16 seen, bytes16 wanted);

    /// @notice The QE report's signature does not verify with the PCK key.
    error DcapVerifier_QeReportSignature();

    /// @notice The QE report does not name this attestation key and authentication data.
    error DcapVerifier_QeReportData(bytes32 seen, bytes32 wanted);

    /// @notice The second half of the QE report's data must be zero.
    error DcapVerifier_QeReportDataTail(bytes32 seen);

    /// @notice The quoting enclave was signed by another key.
    error DcapVerifier_QeSigner(bytes32 seen, bytes32 wanted);

    /// @notice The quoting enclave is another product of its signer.
    error DcapVerifier_QeProduct(uint16 seen, uint16 wanted);

    /// @notice The quoting enclave's MISCSELECT, under the vendor's mask, is not what it must be.
    error DcapVerifier_QeMiscSelect(bytes4 seen, bytes4 wanted);

    /// @notice The quoting enclave's attributes, under the vendor's mask, are not those of a
    ///         production QE.
    error DcapVerifier_QeAttributes(bytes16 seen, bytes16 wanted);

    /// @notice The quote's signature does not verify with the attestation key.
    error DcapVerifier_QuoteSignature();

    /// @notice The SGX enclave has DEBUG, PROVISION_KEY or EINITTOKEN_KEY, or is not initialised.
    error DcapVerifier_EnclaveAttributes(uint8 seen, uint8 wantedClear, uint8 wantedSet);

    /// @notice The trust domain is under debug: the TUD byte of its attributes is not zero.
    error DcapVerifier_TrustDomainUnderDebug(uint8 seen);

    /// @notice The trust domain lacks SEPT_VE_DISABLE or has an attribute that may weaken it.
    error DcapVerifier_TrustDomainAttributes(bytes8 seen, bytes8 mask, bytes8 wanted);

    /// @notice A service TD is bound to the trust domain: MRSERVICETD is not zero.
    error DcapVerifier_ServiceTrustDomain(bytes32 seenHigh, bytes16 seenLow);

    /// @notice The TDX module was signed by another key: keccak256 of MRSIGNERSEAM.
    error DcapVerifier_ModuleSigner(bytes32 seen, bytes32 wanted);

    /// @notice The TDX module's attributes (SEAMATTRIBUTES), under the vendor's mask, are not what
    ///         they must be.
    error DcapVerifier_ModuleAttributes(bytes8 seen, bytes8 wanted);

    /// @notice Verify a PCK certificate up to the root, and keep its machine. Anyone may call, as
    ///         often as they like: no call shortens what another one kept.
    /// @dev `addEndorsements` takes the ABI encoding of the same three arguments. A certificate
    ///      that is verified again in the same epoch replaces only one that ends earlier.
    /// @param certificate DER, at most 4,096 bytes.
    /// @param caId Its CA, an authority of the collateral.
    /// @param serials The CA's whole list of revoked certificates, as in the collateral's event; at
    ///        most 49,152 bytes.
    /// @return pckId The machine's id.
    function cachePck(bytes calldata certificate, bytes32 caId, bytes calldata serials)
        external
        returns (bytes32 pckId);

    /// @notice Keep a machine no longer, because its CA's current list names the certificate by
    ///         which it is kept. Anyone may call.
    /// @param certificate That certificate, of which only what it says of the machine is looked at.
    /// @param caId Its CA, an authority of the collateral.
    /// @param serials The CA's whole list, as in the collateral's event.
    function evictPck(bytes calldata certificate, bytes32 caId, bytes calldata serials) external;

    /// @notice What is kept of a machine.
    /// @param pckId keccak256 of the machine.
    /// @return All zeros when nothing is.
    function pck(bytes32 pckId) external view returns (KeptPck memory);

    /// @notice The vendor's collateral, fixed at construction: root, P-256 and tier are its.
    /// @return Where it is kept.
    function collateral() external view returns (IIntelCollateral);
}
