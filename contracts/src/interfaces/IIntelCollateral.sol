// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICertificateParser} from "./ICertificateParser.sol";

/// @title What is kept of one piece of collateral, in one slot
/// @param digest First half of a keccak256 that commits to its tables; see each function. An
///        attacker would have to find a second preimage of what Intel signed, at 2^128: no easier
///        than to forge the signature.
/// @param number TCB evaluation data number, or CRL number.
/// @param issuedAt Issue date, or `thisUpdate`, in seconds since the epoch; 0 when there is none.
/// @param validUntil Earliest of `nextUpdate` and the ends of all certificates above it, inclusive.
/// @param epoch The revocation epoch in which it was verified.
struct Collateral {
    bytes16 digest;
    uint32 number;
    uint40 issuedAt;
    uint40 validUntil;
    uint16 epoch;
}

/// @title A certificate that the root issued, in three slots
/// @param x First coordinate of its key.
/// @param y Second coordinate.
/// @param name First half of the keccak256 of its subject, the whole DER `Name`.
/// @param validUntil Earlier end of it and of the root, inclusive; 0 when it is not cached.
/// @param epoch The revocation epoch in which it was verified.
/// @param isCa Whether it issues PCK certificates and their CRL; it signs JSON if not.
struct Authority {
    bytes32 x;
    bytes32 y;
    bytes16 name;
    uint40 validUntil;
    uint16 epoch;
    bool isCa;
}

/// @title What a quote is appraised by
/// @param tcb Digest of the TCB info.
/// @param qe Digest of the QE identity.
/// @param numbers Digest of the TCB evaluation data numbers; 0 if they were not asked for.
/// @param validUntil Until when all of it is usable, inclusive, with the root's CRL and the PCK
///        CA's.
/// @param epoch The current revocation epoch.
struct QuoteCollateral {
    bytes16 tcb;
    bytes16 qe;
    bytes16 numbers;
    uint40 validUntil;
    uint16 epoch;
}

/// @title Intel's signed collateral for SGX and TDX quotes
/// @notice Anyone brings what Intel signed; it is verified up to the root that was fixed at
///         construction. Nobody may type anything in, and there is no role.
/// @dev What is large is kept as a commitment; who uses it shows the tables (`TcbProof`,
///      `EvaluationNumbers`, `X509Crl`), which the events hold, so that no archive node is needed.
///
///      Nothing is usable without the root's CRL, in time. Order from empty: `updateRootCrl`, then
///      `cacheAuthority` for the TCB signing certificate and the PCK CAs, then the rest in any
///      order.
///
///      Newer replaces older, never the other way round. TCB info and QE identities are kept
///      for each TCB evaluation data number: Intel signs several side by side, the newest up to a
///      year before it says that platforms must meet it, and whoever brings one must not be able to
///      take another away. A relying party states the number that it insists on
///      and how long an older one does (`EvaluationNumbers.dates`).
///
///      Revocation epoch: a root CRL that names a serial number for the first time begins a new
///      one. What was verified in an earlier epoch is unusable until it is brought again, which a
///      certificate on the list prevents for good.
///
///      Reference: Intel PCS API v4; Intel SGX PCK Certificate and CRL Profile Specification.
interface IIntelCollateral {
    /// @notice The root's CRL was replaced.
    /// @param serials The revoked serial numbers, 20 bytes each.
    event RootCrlUpdated(
        uint32 number, uint40 issuedAt, uint40 validUntil, uint16 epoch, bytes serials
    );

    /// @notice A certificate of the root was verified and kept; `certificate` is the whole DER
    ///         certificate.
    event AuthorityCached(
        bytes32 indexed authorityId, bool isCa, uint40 validUntil, uint16 epoch, bytes certificate
    );

    /// @notice A PCK CA's CRL was replaced.
    /// @param serials The revoked serial numbers, 20 bytes each: what `X509Crl` takes.
    event PckCrlUpdated(
        bytes32 indexed caId,
        uint32 number,
        uint40 issuedAt,
        uint40 validUntil,
        uint16 epoch,
        bytes serials
    );

    /// @notice A TCB info was replaced.
    /// @param modules TDX modules; layout in `ParsedTcbInfo`. Empty for SGX.
    /// @param levels Platform levels; layout in `TcbInfo.PLATFORM_LEVEL`.
    event TcbInfoUpdated(
        uint8 indexed tee,
        bytes6 indexed fmspc,
        uint32 indexed number,
        uint40 issuedAt,
        uint40 validUntil,
        uint16 epoch,
        bytes2 pceId,
        bytes modules,
        bytes levels
    );

    /// @notice A quoting enclave's identity was replaced.
    /// @param identity Layout in `ParsedQeIdentity`.
    /// @param levels Levels of 40 bytes; layout in `TcbLevels`.
    event QeIdentityUpdated(
        uint8 indexed tee,
        uint32 indexed number,
        uint40 issuedAt,
        uint40 validUntil,
        uint16 epoch,
        bytes identity,
        bytes levels
    );

    /// @notice The TCB evaluation data numbers of a TEE were replaced.
    /// @param table Layout in `ParsedEvaluationNumbers`.
    event EvaluationNumbersUpdated(
        uint8 indexed tee, uint40 issuedAt, uint40 validUntil, uint16 epoch, bytes table
    );

    /// @notice A root that is not the vendor's makes tier DEV, which exists on the chain ids 31337
    ///         and 1337 only.
    error IntelCollateral_DevOnlyOnLocalChain(uint256 seen);

    /// @notice What was chosen to verify signatures over P-256 does not accept a good one, or does
    ///         not refuse a bad one. At 0x100: the chain has no P256VERIFY.
    error IntelCollateral_NoP256(address backend);

    /// @notice Under the vendor's root the TCB signing certificate has the vendor's name.
    error IntelCollateral_SignerName(bytes32 seen, bytes32 wanted);

    /// @notice The input is longer than any of its kind.
    error IntelCollateral_TooLong(uint256 seen, uint256 wantedMax);

    /// @notice The issuer is not who must have issued it; keccak256 of DER `Name`s, or their first
    ///         halves.
    error IntelCollateral_Issuer(bytes32 seen, bytes32 wanted);

    /// @notice The signature does not verify with the issuer's key.
    /// @param digest SHA-256 of what was signed.
    error IntelCollateral_Signature(bytes32 digest);

    /// @notice The certificate must be a CA and is none.
    error IntelCollateral_NotACa(bytes32 id);

    /// @notice The path length is not the profile's. 255 is no limit.
    error IntelCollateral_PathLength(uint8 seen, uint8 wanted);

    /// @notice The key usage (first octet of its bits) lacks what the certificate's place demands,
    ///         or allows more.
    error IntelCollateral_KeyUsage(uint8 seen, uint8 wantedSet, uint8 wantedClear);

    /// @notice It begins later than now.
    error IntelCollateral_NotYetValid(uint256 seen, uint256 wantedMax);

    /// @notice It, or a certificate above it, has ended.
    error IntelCollateral_Expired(uint256 seen, uint256 wantedMin);

    /// @notice Something as new or newer is kept.
    error IntelCollateral_NotNewer(uint256 seen, uint256 wantedMin);

    /// @notice The CRL number is lower than that of the list which it would replace.
    error IntelCollateral_CrlNumber(uint256 seen, uint256 wantedMin);

    /// @notice The certificate is on the root's CRL, now or before.
    error IntelCollateral_Revoked(uint160 serial);

    /// @notice The certificate was not cached.
    error IntelCollateral_UnknownAuthority(bytes32 seen);

    /// @notice The certificate is of the other kind.
    error IntelCollateral_AuthorityKind(bool seenCa, bool wantedCa);

    /// @notice There is no such collateral.
    error IntelCollateral_Missing(bytes32 key);

    /// @notice It was verified before a revocation by the root, and not again since.
    error IntelCollateral_Epoch(uint16 seen, uint16 wanted);

    /// @notice Bring the root's CRL. Anyone may call.
    /// @param crl DER, at most 4,096 bytes.
    function updateRootCrl(bytes calldata crl) external;

    /// @notice Verify a certificate that the root issued, a PCK CA or a TCB signing certificate,
    ///         and keep it. Anyone may call.
    /// @param certificate DER, at most 4,096 bytes.
    /// @return authorityId keccak256 of its signed part.
    function cacheAuthority(bytes calldata certificate) external returns (bytes32 authorityId);

    /// @notice Bring a PCK CA's CRL. Anyone may call.
    /// @dev Digest: `X509Crl.digest` of the serials in the list's order.
    /// @param crl DER, at most 49,152 bytes.
    /// @param caId The cached CA that issued it.
    function updatePckCrl(bytes calldata crl, bytes32 caId) external;

    /// @notice Bring a TCB info, SGX or TDX. Anyone may call.
    /// @dev Digest: `TcbInfo.digest` of PCE id and the roots of modules and levels.
    /// @param json Exactly the bytes that Intel signed, at most 32,768.
    /// @param r First half of the signature.
    /// @param s Second half.
    /// @param signerId The cached TCB signing certificate.
    function updateTcbInfo(bytes calldata json, bytes32 r, bytes32 s, bytes32 signerId) external;

    /// @notice Bring the identity of the quoting enclave for SGX or TDX. Anyone may call.
    /// @dev Digest: `QeIdentity.digest` of the identity and the root of its levels.
    /// @param json Exactly the bytes that Intel signed, at most 32,768.
    /// @param r First half of the signature.
    /// @param s Second half.
    /// @param signerId The cached TCB signing certificate.
    function updateQeIdentity(bytes calldata json, bytes32 r, bytes32 s, bytes32 signerId) external;

    /// @notice Bring the TCB evaluation data numbers of SGX or TDX. Anyone may call.
    /// @dev Digest: `EvaluationNumbers.digest` of the table.
    /// @param json Exactly the bytes that Intel signed, at most 32,768.
    /// @param r First half of the signature.
    /// @param s Second half.
    /// @param signerId The cached TCB signing certificate.
    function updateEvaluationNumbers(bytes calldata json, bytes32 r, bytes32 s, bytes32 signerId)
        external;

    /// @notice What to appraise a quote by; reverts unless all of it is usable now.
    /// @param tee 1 SGX, 2 TDX.
    /// @param fmspc From the PCK certificate.
    /// @param tcbNumber TCB evaluation data number of the TCB info.
    /// @param qeNumber TCB evaluation data number of the QE identity.
    /// @param caId Who issued the PCK certificate; its CRL must be usable, too.
    /// @param isDated Whether the TCB evaluation data numbers are asked for.
    /// @return What is kept of it.
    function quoteCollateral(
        uint8 tee,
        bytes6 fmspc,
        uint32 tcbNumber,
        uint32 qeNumber,
        bytes32 caId,
        bool isDated
    ) external view returns (QuoteCollateral memory);

    /// @notice What to verify a PCK certificate by; reverts unless all of it is usable now.
    /// @param caId keccak256 of the CA certificate's signed part.
    /// @return ca Key and name of its issuer.
    /// @return crl Digest of the issuer's CRL.
    /// @return validUntil Until when all of it is usable, inclusive.
    function pckCollateral(bytes32 caId)
        external
        view
        returns (Authority memory ca, bytes16 crl, uint40 validUntil);

    /// @notice Which TCB evaluation data numbers there are; reverts unless usable now.
    /// @param tee 1 SGX, 2 TDX.
    /// @return table Digest of the table.
    /// @return validUntil Until when it is usable, inclusive.
    function numbersCollateral(uint8 tee) external view returns (bytes16 table, uint40 validUntil);

    /// @notice What is kept of the root's CRL. Its epoch is the current one.
    /// @return All zeros when there is none.
    function rootCrl() external view returns (Collateral memory);

    /// @notice What is kept of a PCK CA's CRL, usable or not.
    /// @param caId keccak256 of the CA certificate's signed part.
    /// @return All zeros when there is none.
    function pckCrl(bytes32 caId) external view returns (Collateral memory);

    /// @notice What is kept of a TCB info, usable or not.
    /// @param tee 1 SGX, 2 TDX.
    /// @param fmspc Of the platform.
    /// @param number TCB evaluation data number.
    /// @return All zeros when there is none.
    function tcbInfo(uint8 tee, bytes6 fmspc, uint32 number)
        external
        view
        returns (Collateral memory);

    /// @notice What is kept of a quoting enclave's identity, usable or not.
    /// @param tee 1 SGX, 2 TDX.
    /// @param number TCB evaluation data number.
    /// @return All zeros when there is none.
    function qeIdentity(uint8 tee, uint32 number) external view returns (Collateral memory);

    /// @notice What is kept of the TCB evaluation data numbers, usable or not.
    /// @param tee 1 SGX, 2 TDX.
    /// @return All zeros when there is none.
    function evaluationNumbers(uint8 tee) external view returns (Collateral memory);

    /// @notice What is kept of a certificate of the root, usable or not.
    /// @param authorityId keccak256 of its signed part.
    /// @return All zeros when it is not cached.
    function authority(bytes32 authorityId) external view returns (Authority memory);

    /// @notice Whether the root's CRL has named a serial number, now or before.
    /// @param serial Of a certificate that the root issued.
    function isRevoked(uint160 serial) external view returns (bool);

    /// @notice The root fixed at construction.
    /// @return x First coordinate of its key.
    /// @return y Second coordinate.
    /// @return nameHash keccak256 of its subject, the whole DER `Name`.
    /// @return notAfter End of its certificate, in seconds since the epoch.
    function root() external view returns (bytes32 x, bytes32 y, bytes32 nameHash, uint40 notAfter);

    /// @notice The name of the TCB signing certificate, fixed at construction.
    /// @return keccak256 of its subject, the whole DER `Name`.
    function signerName() external view returns (bytes32);

    /// @notice The part of this contract that reads certificates and revocation lists, which its
    ///         constructor creates.
    function certificateParser() external view returns (ICertificateParser);

    /// @notice What verifies signatures over P-256, chosen and tested at construction: P256VERIFY at
    ///         0x100, or a `SolidityP256` that the constructor created.
    function p256() external view returns (address);

    /// @notice The tier of everything that rests on this, derived from the root's key.
    /// @return 1 DIRECT if it is Intel's, 4 DEV if not.
    function tier() external view returns (uint8);
}
