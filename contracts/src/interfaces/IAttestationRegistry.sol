// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGoverned} from "./IGoverned.sol";

/// @title What it takes to register a signer
/// @param verifierId Verifier for this kind of evidence, from 1.
/// @param signer Address of the key that exists only inside the enclave.
/// @param operator Who answers for the signer, may seat it and may revoke it.
/// @param hpkePublicKey X25519 public key of the enclave, 32 bytes.
/// @param refBlock A past block whose hash the evidence commits to.
/// @param evidence What the verifier takes; at most 8,192 bytes.
/// @param hints What the verifier takes; at most 16,384 bytes.
/// @param endorsements What the verifier is to keep first, such as the machine's certificate; at
///        most 16,384 bytes, empty if it has it.
/// @param signature The signer's EIP-712 signature over the registration, 64 bytes (EIP-2098, low
///        s). It covers neither hints nor endorsements, which prove nothing by themselves.
struct RegistrationRequest {
    uint16 verifierId;
    address signer;
    address operator;
    bytes hpkePublicKey;
    uint64 refBlock;
    bytes evidence;
    bytes hints;
    bytes endorsements;
    bytes signature;
}

/// @title What it takes to have a signer re-checked
/// @dev All of it is public: the signer's last `SignerRegistered`, the header of its `refBlock`, and
///      the vendor's collateral. The two hashes show that the evidence was made for this registry
///      and chain; only what the enclave committed to fits.
/// @param verifierId Verifier for this kind of evidence, from 1; of the signer's tier.
/// @param signer A registered signer.
/// @param hpkeKeyHash keccak256 of the X25519 key it is registered with.
/// @param refBlockHash Hash of the block that it was last registered or renewed with.
/// @param evidence The evidence it was last registered or renewed with.
/// @param hints What the verifier takes now; at most 16,384 bytes.
/// @param endorsements As in `RegistrationRequest`.
struct RecheckRequest {
    uint16 verifierId;
    address signer;
    bytes32 hpkeKeyHash;
    bytes32 refBlockHash;
    bytes evidence;
    bytes hints;
    bytes endorsements;
}

/// @title What a signer has signed
/// @param report A report as broadcast (format in `IFeedHub`), with as many signatures as its mask has bits.
///        Which bits is signed by nobody and says nothing here.
/// @param place Which of the report's signatures is the signer's, from 0.
struct Statement {
    bytes report;
    uint8 place;
}

/// @title What the registry says of a signer
/// @dev Times are seconds since the epoch, multiples of 64.
/// @param operator Who answers for it; zero for a signer that was never registered.
/// @param registeredAt When it was last registered or renewed, rounded down.
/// @param expiresAt First moment at which it is no longer valid, rounded down.
/// @param imageId Image it was attested with.
/// @param tee Platform, as in `Claims.tee`.
/// @param tier Who vouches, as in `Claims.tier`.
/// @param cause What ends, or ended, it: a `LifeCause`.
/// @param revoked Revoked, for good.
/// @param valid Registered, not revoked, not expired, and its image is live.
struct SignerInfo {
    address operator;
    uint64 registeredAt;
    uint64 expiresAt;
    bytes32 imageId;
    uint8 tee;
    uint8 tier;
    uint8 cause;
    bool revoked;
    bool valid;
}

/// @title Which keys exist only inside an attested enclave
/// @notice Anyone registers a signer with evidence; nobody can without.
/// @dev A registration proves that, not longer ago than `maxRefBlocks` blocks, a genuine and
///      non-debug enclave of an approved image held the signer's key and named this operator, this
///      chain and this registry; and that its platform then met the image's requirements under the
///      vendor's own collateral. It does NOT prove that the enclave still runs, or that the host is
///      honest. `contracts/README.md` says it at length.
interface IAttestationRegistry is IGoverned {
    /// @notice A verifier was added; it keeps its id for good.
    event VerifierAdded(
        uint16 indexed verifierId, address indexed verifier, uint8 tier, string name
    );

    /// @notice A signer was registered or renewed. The evidence is complete but for the
    ///         certificates, which the verifier published when it cached them.
    /// @param tcbStatus What the vendor's collateral said of the platform; see `TcbStatus`.
    /// @param evaluationNumber The collateral's number; see `Claims`.
    /// @param cause What `expiresAt` is the end of: a `LifeCause`.
    /// @param evidenceHash keccak256 of the evidence.
    event SignerRegistered(
        address indexed signer,
        address indexed operator,
        bytes32 indexed imageId,
        uint8 tee,
        uint8 tier,
        uint8 tcbStatus,
        uint32 evaluationNumber,
        uint16 verifierId,
        uint64 refBlock,
        uint64 expiresAt,
        uint8 cause,
        bytes32 hwId,
        bytes32 evidenceHash,
        bytes hpkePublicKey,
        bytes evidence
    );

    /// @notice A re-check was accepted, and the signer's registration ends later than before.
    event SignerExtended(
        address indexed signer,
        address indexed by,
        uint8 tcbStatus,
        uint32 evaluationNumber,
        uint64 expiresAt,
        uint8 cause
    );

    /// @notice A re-check was refused, and the signer's registration ended with it. It comes back by
    ///         a re-check that is accepted, or by a renewal.
    /// @param refusal ABI-encoded error of `IImagePolicy`.
    event SignerSuspended(address indexed signer, address indexed by, bytes refusal);

    /// @notice A signer was revoked, for good.
    event SignerRevoked(address indexed signer, address indexed by);

    /// @notice A signer was proved to have signed two different entries for one feed and one moment.
    ///         `SignerRevoked`, with who brought the proof, comes after it.
    /// @param listRoot Names, with the index, the feed.
    /// @param observedAt Seconds since the epoch.
    /// @param first The entry of the first report, as it stands there.
    /// @param second The entry of the second report.
    event SignerEquivocated(
        address indexed signer,
        address indexed hub,
        bytes32 listRoot,
        uint16 index,
        uint32 observedAt,
        bytes14 first,
        bytes14 second
    );

    /// @notice `maxRefBlocks` must lie in 1 to `wantedMax`, the reach of the history contract.
    error AttestationRegistry_RefWindowOutOfRange(uint64 seen, uint64 wantedMax);

    /// @notice A contract fixed at construction is the zero address.
    error AttestationRegistry_ZeroAddress();

    /// @notice The policy fixed at construction tells another registry of withdrawals.
    error AttestationRegistry_ForeignPolicy(address seen, address wanted);

    /// @notice Only the image policy says that an image was withdrawn.
    error AttestationRegistry_NotImagePolicy(address seen);

    /// @notice The policy fixed at construction, or the address to add as a verifier, has no code.
    error AttestationRegistry_NoCode(address seen);

    /// @notice The verifier says a tier that does not exist; they run from 1 to `wantedMax`.
    error AttestationRegistry_UnknownTier(uint8 seen, uint8 wantedMax);

    /// @notice Tier DEV exists on the chain ids 31337 and 1337 only.
    error AttestationRegistry_DevOnlyOnLocalChain(uint256 seen);

    /// @notice The verifier was added before.
    error AttestationRegistry_KnownVerifier(address seen);

    /// @notice All 65,535 verifier ids are used.
    error AttestationRegistry_VerifiersFull();

    /// @notice No verifier has this id; ids run from 1 to `wantedMax`.
    error AttestationRegistry_UnknownVerifier(uint16 seen, uint16 wantedMax);

    /// @notice The zero address is no signer.
    error AttestationRegistry_ZeroSigner();

    /// @notice The zero address is no operator.
    error AttestationRegistry_ZeroOperator();

    /// @notice The X25519 public key has the wrong length.
    error AttestationRegistry_HpkeKeyLength(uint256 seen, uint256 wanted);

    /// @notice The evidence is longer than the registry emits.
    error AttestationRegistry_EvidenceTooLong(uint256 seen, uint256 wantedMax);

    /// @notice The hints are longer than any verifier needs.
    error AttestationRegistry_HintsTooLong(uint256 seen, uint256 wantedMax);

    /// @notice The endorsements are longer than `wantedMax` bytes.
    error AttestationRegistry_EndorsementsTooLong(uint256 seen, uint256 wantedMax);

    /// @notice The reference block is this block or a later one; its hash is not known.
    error AttestationRegistry_RefBlockNotPast(uint64 seen, uint256 wantedBelow);

    /// @notice The reference block is older than the window.
    error AttestationRegistry_RefBlockTooOld(uint64 seen, uint256 wantedMin);

    /// @notice Neither the chain nor its history contract gives the hash of the reference block.
    error AttestationRegistry_RefBlockUnknown(uint64 seen);

    /// @notice The registration signature has the wrong length.
    error AttestationRegistry_SignatureLength(uint256 seen, uint256 wanted);

    /// @notice Of the two s that verify only the lower is accepted.
    error AttestationRegistry_HighS(uint256 seen, uint256 wantedMax);

    /// @notice The signature was made by another key, or for another registration.
    error AttestationRegistry_SignatureBy(address seen, address wanted);

    /// @notice The evidence names another signer (bytes 0 to 19 of the report data).
    error AttestationRegistry_EvidenceForSigner(address seen, address wanted);

    /// @notice The evidence names another reference block (bytes 20 to 27 of the report data).
    error AttestationRegistry_EvidenceForBlock(uint64 seen, uint64 wanted);

    /// @notice The evidence commits to another chain, registry, block hash, operator or X25519 key
    ///         (bytes 28 to 59).
    error AttestationRegistry_EvidenceForRegistration(bytes32 seen, bytes32 wanted);

    /// @notice The report data has another layout (bytes 60 to 63).
    error AttestationRegistry_ReportDataVersion(uint32 seen, uint32 wanted);

    /// @notice The verifier's claims carry another tier than the verifier had when it was added.
    error AttestationRegistry_ClaimedTier(uint8 seen, uint8 wanted);

    /// @notice What the registration stands on ends, rounded down to 64 seconds, before this block.
    error AttestationRegistry_EvidenceExpired(uint64 seen, uint256 wantedAbove);

    /// @notice A re-check was accepted, but the registration would not end later than it does, or
    ///         not in the future.
    error AttestationRegistry_NothingToChange(uint64 seen, uint256 wantedAbove);

    /// @notice The signer was revoked; a revoked key never returns.
    error AttestationRegistry_Revoked(address seen);

    /// @notice The signer belongs to another operator.
    error AttestationRegistry_OperatorChanged(address seen, address wanted);

    /// @notice The signer is registered with another image.
    error AttestationRegistry_ImageChanged(bytes32 seen, bytes32 wanted);

    /// @notice The signer is registered at another tier.
    error AttestationRegistry_TierChanged(uint8 seen, uint8 wanted);

    /// @notice A renewal needs evidence of a later block than the last.
    error AttestationRegistry_EvidenceNotNewer(uint64 seen, uint64 wantedAbove);

    /// @notice A renewal may not end earlier than what it renews.
    error AttestationRegistry_RenewalShortens(uint64 seen, uint64 wantedMin);

    /// @notice A number does not fit the record.
    error AttestationRegistry_OutOfRange(uint256 seen, uint256 wantedMax);

    /// @notice The signer was never registered.
    error AttestationRegistry_UnknownSigner(address seen);

    /// @notice Only the signer's operator, governance or the guardian may revoke.
    error AttestationRegistry_MayNotRevoke(address seen);

    /// @notice A report of a proof is too short for one entry and one signature.
    error AttestationRegistry_ReportTooShort(uint256 seen, uint256 wantedMin);

    /// @notice The report has fewer signatures.
    error AttestationRegistry_NoSuchSignature(uint8 seen, uint256 wantedBelow);

    /// @notice A report of a proof has no entry for the feed.
    error AttestationRegistry_NoEntry(uint16 seen);

    /// @notice The second report is of another moment than the first.
    error AttestationRegistry_OtherMoment(uint32 seen, uint32 wanted);

    /// @notice The second report refers to another list of feeds than the first.
    error AttestationRegistry_OtherList(bytes32 seen, bytes32 wanted);

    /// @notice The second report was signed by another key than the first, or for another hub or chain.
    error AttestationRegistry_OtherSigner(address seen, address wanted);

    /// @notice Both reports have the same entry.
    error AttestationRegistry_SameEntry(bytes14 seen);

    /// @notice Add a verifier. Reached only through the delay of governance. A verifier is never
    ///         removed: withdraw its images instead.
    /// @param verifier Contract with code that implements `IAttestationVerifier`.
    /// @return verifierId Its id, from 1.
    function addVerifier(address verifier) external returns (uint16 verifierId);

    /// @notice Register or renew a signer. Anyone may call: the evidence and the signer's signature
    ///         name the operator.
    /// @dev Fails closed with a typed error that names the check; what the policy refuses, with an
    ///      error of `IImagePolicy`. A registration that someone else sends first has the same
    ///      effect; the second then fails with `AttestationRegistry_EvidenceNotNewer`. Who sends it
    ///      first with other hints can have it end earlier; `recheck` with better ones mends that.
    /// @param r The registration.
    function register(RegistrationRequest calldata r) external;

    /// @notice Have the evidence that a signer stands on verified and appraised again, with the
    ///         collateral and the policy of now. Anyone may call.
    /// @dev Accepted: the registration ends as it would if it had been made with this collateral, if
    ///      that is later than now recorded; it never ends earlier by this. Refused: a signer that is
    ///      valid is suspended, and the hubs are cleared if it ever had a seat, but only where the
    ///      refusal is final (`Appraisal.isFinal`): nobody can suspend a signer by choosing the
    ///      collateral. Otherwise the refusal is thrown. Where collateral or certificates have ended the
    ///      verifier reverts, and nothing changes.
    /// @param r The signer and its evidence.
    function recheck(RecheckRequest calldata r) external;

    /// @notice Revoke a signer at once and for good, and clear the hubs if it ever had a seat.
    /// @param signer A registered signer.
    function revoke(address signer) external;

    /// @notice Revoke a signer at once and for good, as `revoke` does, on proof that it signed two different
    ///         entries for one feed of one hub and one moment. Anyone may call.
    /// @dev Asks no hub: the digests are computed here, for this chain. Establishes that the holder of the
    ///      signer's key signed both; whether either was ever submitted, or was true, does not matter. An
    ///      enclave of approved code signs once for each hub, feed and moment, so it cannot be accused.
    ///      A malformed report fails with an error of `IFeedHub`.
    /// @param hub For which hub both were signed.
    /// @param index The feed's index in the reports.
    /// @param first A report, and which signature is the signer's.
    /// @param second Another, of the same list of feeds and the same moment.
    function proveEquivocation(
        address hub,
        uint16 index,
        Statement calldata first,
        Statement calldata second
    ) external;

    /// @notice Note that an image was withdrawn, for good. Only the image policy calls.
    /// @param index Of the image.
    function imageWithdrawn(uint256 index) external;

    /// @notice Whether a signer may sign now.
    /// @param signer Any address.
    /// @return Registered, not revoked, not expired, and its image is live.
    function isValid(address signer) external view returns (bool);

    /// @notice What the registry says of a signer.
    /// @param signer Any address.
    /// @return All zeros for a signer that was never registered.
    function signerInfo(address signer) external view returns (SignerInfo memory);

    /// @notice How long a signer stays valid if nothing happens, and what ends it.
    /// @param signer Any address.
    /// @return seconds_ 0 for one that is not valid.
    /// @return cause A `LifeCause`: what ends or ended it; NONE for one that was never registered.
    function lifeLeft(address signer) external view returns (uint256 seconds_, uint8 cause);

    /// @notice The verifier with an id.
    /// @param verifierId From 1.
    /// @return The zero address for an id that is not used.
    function verifierAt(uint16 verifierId) external view returns (address);

    /// @notice The policy that says which images may register.
    /// @return Fixed at construction.
    function imagePolicy() external view returns (address);

    /// @notice How old, in blocks, the reference block of a registration may be.
    /// @return 1 to 8,191, fixed at construction.
    function maxRefBlocks() external view returns (uint64);

    /// @notice The domain of the registration signature.
    /// @return EIP-712 domain separator for this chain and this registry.
    function domainSeparator() external view returns (bytes32);
}
