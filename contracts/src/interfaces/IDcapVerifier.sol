// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationVerifier} from "./IAttestationVerifier.sol";

/// @title The root a verifier trusts, fixed at construction
/// @param x First coordinate of the root's P-256 key.
/// @param y Second coordinate.
/// @param nameHash keccak256 of the root's subject, the whole DER `Name`.
/// @param notAfter End of the root certificate, in seconds since the epoch.
struct TrustAnchor {
    bytes32 x;
    bytes32 y;
    bytes32 nameHash;
    uint64 notAfter;
}

/// @title Which quoting enclave may certify attestation keys
/// @param mrSigner Digest of the key that signed the quoting enclave.
/// @param sgxProdId Product id of the quoting enclave for SGX quotes.
/// @param tdxProdId Product id of the quoting enclave for TDX quotes.
struct QuotingEnclave {
    bytes32 mrSigner;
    uint16 sgxProdId;
    uint16 tdxProdId;
}

/// @title What the verifier keeps of an intermediate CA
/// @param x First coordinate of its key.
/// @param y Second coordinate.
/// @param nameHash keccak256 of its subject.
/// @param notAfter Earlier end of it and of the root, in seconds since the epoch; 0 when it is not
///        cached.
struct CachedCa {
    bytes32 x;
    bytes32 y;
    bytes32 nameHash;
    uint64 notAfter;
}

/// @title What the verifier keeps of a PCK certificate, in three slots
/// @param x First coordinate of its key.
/// @param y Second coordinate.
/// @param ppid Platform provisioning id.
/// @param fmspc Family, model, stepping, platform type, custom SKU.
/// @param notAfter Earliest end in its chain, in seconds since the epoch; 0 when it is not cached.
struct CachedPck {
    bytes32 x;
    bytes32 y;
    bytes16 ppid;
    bytes6 fmspc;
    uint40 notAfter;
}

/// @title Verifier of Intel's ECDSA quotes: SGX versions 3 to 5, TDX versions 4 and 5
/// @notice Checks a quote up to the vendor's root. The certificates of a machine are brought once,
///         by anyone.
/// @dev Evidence is `header (48) | body type and size (6, version 5 only) | body (384 SGX, 584 TD
///      1.0, 648 TD 1.5) | signature (64) | attestation key (64) | QE report (384) | QE report
///      signature (64) | QE authentication data (0 to 1,024)`; hints are the 32 bytes of the PCK
///      certificate's id. A quote is genuine when the chain root > CA > PCK > QE report >
///      attestation key > header and body holds.
///
///      The image id does not depend on the version, but on the body: a TD 1.5 body's covers
///      MRSERVICETD, so that one trust domain has two ids, by the body that its quotes have. A TD
///      1.0 body does not say whether a service TD is bound.
///
///      This version does NOT look at vendor-signed collateral: TCB levels, revocation lists and
///      the QE identity. Without them a foreign quoting enclave could forge, so the constructor
///      takes no production root yet and the only instance there can be is of tier DEV, on a local
///      chain.
///
///      Reference: Intel SGX ECDSA QuoteGenReference / Intel TDX DCAP Quoting Library, "quote
///      format"; Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.
interface IDcapVerifier is IAttestationVerifier {
    /// @notice An intermediate CA was verified and kept; `certificate` is the whole DER
    ///         certificate.
    event CaCached(bytes32 indexed caId, uint64 notAfter, bytes certificate);

    /// @notice A PCK certificate was verified and kept; `certificate` is the whole DER certificate.
    event PckCached(
        bytes32 indexed pckId,
        bytes32 indexed caId,
        bytes32 indexed hwId,
        uint64 notAfter,
        bytes certificate
    );

    /// @notice The root is Intel's; quotes of real machines need vendor-signed collateral, which
    ///         this version lacks.
    error DcapVerifier_RootNotYetSupported(bytes32 x, bytes32 y);

    /// @notice A root that is not the vendor's makes tier DEV, which exists on the chain ids 31337
    ///         and 1337 only.
    error DcapVerifier_DevOnlyOnLocalChain(uint256 seen);

    /// @notice The chain has no P256VERIFY at 0x100 that accepts a good signature and refuses a bad
    ///         one.
    error DcapVerifier_NoP256Precompile();

    /// @notice A constant of the trust anchor or of the quoting enclave is zero.
    error DcapVerifier_ZeroConstant();

    /// @notice The root's certificate has ended.
    error DcapVerifier_RootExpired(uint64 seen, uint256 wantedMin);

    /// @notice A certificate is longer than the profile allows.
    error DcapVerifier_CertificateTooLong(uint256 seen, uint256 wantedMax);

    /// @notice The certificate's issuer is not its parent's subject; both are keccak256 of the DER
    ///         `Name`.
    error DcapVerifier_IssuerMismatch(bytes32 seen, bytes32 wanted);

    /// @notice The certificate's signature does not verify with its parent's key.
    error DcapVerifier_CertificateSignature(bytes32 id);

    /// @notice The certificate is not valid yet.
    error DcapVerifier_CertificateNotYetValid(uint64 seen, uint256 wantedMax);

    /// @notice The certificate has ended.
    error DcapVerifier_CertificateExpired(uint64 seen, uint256 wantedMin);

    /// @notice The certificate that is to be an intermediate is no CA.
    error DcapVerifier_NotACa(bytes32 id);

    /// @notice The certificate that is to be a leaf is a CA.
    error DcapVerifier_LeafIsCa(bytes32 id);

    /// @notice The intermediate may have further CAs under it; the profile says 0. 255 is no limit.
    error DcapVerifier_PathLength(uint8 seen, uint8 wanted);

    /// @notice The key usage (first octet of its bits) lacks what the certificate's place demands,
    ///         or allows more.
    error DcapVerifier_KeyUsage(uint8 seen, uint8 wantedSet, uint8 wantedClear);

    /// @notice The leaf has no SGX extension: it names no machine.
    error DcapVerifier_NoSgxExtension(bytes32 id);

    /// @notice The CA was not cached.
    error DcapVerifier_UnknownCa(bytes32 seen);

    /// @notice The PCK certificate was not cached.
    error DcapVerifier_UnknownPck(bytes32 seen);

    /// @notice Hints are exactly the 32 bytes of a PCK certificate's id.
    error DcapVerifier_HintsLength(uint256 seen, uint256 wanted);

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
    error DcapVerifier_QeReportSignature(bytes32 pckId);

    /// @notice The QE report does not name this attestation key and authentication data.
    error DcapVerifier_QeReportData(bytes32 seen, bytes32 wanted);

    /// @notice The second half of the QE report's data must be zero.
    error DcapVerifier_QeReportDataTail(bytes32 seen);

    /// @notice The quoting enclave was signed by another key.
    error DcapVerifier_QeSigner(bytes32 seen, bytes32 wanted);

    /// @notice The quoting enclave is another product of its signer.
    error DcapVerifier_QeProduct(uint16 seen, uint16 wanted);

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

    /// @notice Verify an intermediate CA against the root and keep it. Anyone may call.
    /// @param certificate DER, at most 4,096 bytes.
    /// @return caId keccak256 of the certificate's signed part.
    function cacheCa(bytes calldata certificate) external returns (bytes32 caId);

    /// @notice Verify a PCK certificate against a cached CA and keep it. Anyone may call.
    /// @param certificate DER, at most 4,096 bytes.
    /// @param caId The cached CA.
    /// @return pckId keccak256 of the certificate's signed part.
    function cachePck(bytes calldata certificate, bytes32 caId) external returns (bytes32 pckId);

    /// @notice What is kept of a CA.
    /// @param caId keccak256 of the certificate's signed part.
    /// @return All zeros when it is not cached.
    function ca(bytes32 caId) external view returns (CachedCa memory);

    /// @notice What is kept of a PCK certificate.
    /// @param pckId keccak256 of the certificate's signed part.
    /// @return All zeros when it is not cached.
    function pck(bytes32 pckId) external view returns (CachedPck memory);

    /// @notice The root fixed at construction.
    /// @return Key, name and end of it.
    function root() external view returns (TrustAnchor memory);

    /// @notice The quoting enclave fixed at construction.
    /// @return Signer and product ids of it.
    function quotingEnclave() external view returns (QuotingEnclave memory);
}
