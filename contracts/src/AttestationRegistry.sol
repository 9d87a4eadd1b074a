// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "./Governed.sol";
import {
    IAttestationRegistry,
    RegistrationRequest,
    SignerInfo,
    Statement
} from "./interfaces/IAttestationRegistry.sol";
import {Claims, IAttestationVerifier} from "./interfaces/IAttestationVerifier.sol";
import {IImagePolicy, ImageInfo} from "./interfaces/IImagePolicy.sol";
import {ISignerSet} from "./interfaces/ISignerSet.sol";
import {BlockHistory} from "./libraries/BlockHistory.sol";
import {Ecdsa} from "./libraries/Ecdsa.sol";
import {Claim, Equivocation} from "./libraries/Equivocation.sol";
import {RegistrationCodec} from "./libraries/RegistrationCodec.sol";
import {Tier} from "./types/Tee.sol";

/// @title Which keys exist only inside an attested enclave; see `IAttestationRegistry`
contract AttestationRegistry is Governed, IAttestationRegistry {
    /// @dev One slot. `expiresAt` is seconds since the epoch, up to the year 2106.
    struct Record {
        address operator;
        uint32 expiresAt;
        uint32 refBlock;
        uint24 image;
        /// @dev TEE in the high four bits, tier in the next three, revoked in the lowest.
        uint8 marks;
    }

    struct Verifier {
        address where;
        uint8 tier;
    }

    uint8 private constant REVOKED = 1;
    uint256 private constant MAX_EVIDENCE_BYTES = 8192;
    uint256 private constant MAX_HINTS_BYTES = 1024;
    uint256 private constant HPKE_KEY_BYTES = 32;
    uint256 private constant SIGNATURE_BYTES = 64;

    IImagePolicy private immutable _imagePolicy;
    ISignerSet private immutable _signerSet;
    uint64 private immutable _maxRefBlocks;

    uint16 private _verifierCount;
    mapping(uint16 verifierId => Verifier verifier) private _verifiers;
    mapping(address verifier => bool isKnown) private _isKnownVerifier;
    mapping(address signer => Record record) private _records;

    /// @param imagePolicy_ Which images may register.
    /// @param signerSet What is told when a signer is revoked; it may have no code yet.
    /// @param maxRefBlocks_ Age limit of evidence in blocks, 1 to 8,191.
    constructor(
        address governance_,
        address guardian_,
        uint256 minDelay_s,
        IImagePolicy imagePolicy_,
        ISignerSet signerSet,
        uint64 maxRefBlocks_
    ) Governed(governance_, guardian_, minDelay_s) {
        require(
            address(imagePolicy_) != address(0) && address(signerSet) != address(0),
            AttestationRegistry_ZeroAddress()
        );
        require(
            maxRefBlocks_ > 0 && maxRefBlocks_ <= BlockHistory.REACH,
            AttestationRegistry_RefWindowOutOfRange(maxRefBlocks_, BlockHistory.REACH)
        );
        _imagePolicy = imagePolicy_;
        _signerSet = signerSet;
        _maxRefBlocks = maxRefBlocks_;
    }

    /// @inheritdoc IAttestationRegistry
    function addVerifier(address verifier) external onlySelf returns (uint16 verifierId) {
        require(verifier.code.length > 0, AttestationRegistry_NoCode(verifier));
        require(!_isKnownVerifier[verifier], AttestationRegistry_KnownVerifier(verifier));
        require(_verifierCount < type(uint16).max, AttestationRegistry_VerifiersFull());
        uint8 tier = IAttestationVerifier(verifier).tier();
        require(
            tier >= Tier.DIRECT && tier <= Tier.DEV, AttestationRegistry_UnknownTier(tier, Tier.DEV)
        );
        require(
            tier != Tier.DEV || _isLocalChain(),
            AttestationRegistry_DevOnlyOnLocalChain(block.chainid)
        );
        verifierId = ++_verifierCount;
        _isKnownVerifier[verifier] = true;
        _verifiers[verifierId] = Verifier({where: verifier, tier: tier});
        emit VerifierAdded({
            verifierId: verifierId,
            verifier: verifier,
            tier: tier,
            name: IAttestationVerifier(verifier).name()
        });
    }

    /// @inheritdoc IAttestationRegistry
    function register(RegistrationRequest calldata r) external {
        // 1. Shape: nothing empty, nothing unbounded.
        _requireSound(r);
        // 2. Time: the block that the evidence commits to is past, recent, and its hash is known.
        bytes32 refBlockHash = _refBlockHash(r.refBlock);
        bytes32 hpkeKeyHash = keccak256(r.hpkePublicKey);
        // 3. Consent: the signer's key itself names operator, encryption key and block.
        _requireSigned(r, hpkeKeyHash, refBlockHash);
        // 4. Genuineness: the verifier checks the evidence up to the vendor's root.
        Verifier memory verifier = _verifiers[r.verifierId];
        require(
            verifier.where != address(0),
            AttestationRegistry_UnknownVerifier(r.verifierId, _verifierCount)
        );
        Claims memory claims = IAttestationVerifier(verifier.where).verify(r.evidence, r.hints);
        require(
            claims.tier == verifier.tier,
            AttestationRegistry_ClaimedTier(claims.tier, verifier.tier)
        );
        // 5. Binding: the enclave committed to this signer, block, chain, registry, operator and
        // key.
        _requireBound(r, claims, hpkeKeyHash, refBlockHash);
        // 6. Appraisal, and what was registered before.
        Record memory record = _appraise(r, claims);
        _requireRenewable(_records[r.signer], record, r.signer, claims);
        // 7. Effect.
        _records[r.signer] = record;
        _emitRegistered(r, claims, record.expiresAt);
    }

    /// @inheritdoc IAttestationRegistry
    function revoke(address signer) external {
        address operator = _records[signer].operator;
        require(operator != address(0), AttestationRegistry_UnknownSigner(signer));
        require(
            msg.sender == operator || msg.sender == governance() || msg.sender == guardian(),
            AttestationRegistry_MayNotRevoke(msg.sender)
        );
        _revoke(signer);
    }

    /// @inheritdoc IAttestationRegistry
    function proveEquivocation(
        address hub,
        uint16 index,
        Statement calldata first,
        Statement calldata second
    ) external {
        Claim memory one = Equivocation.claim(hub, index, first);
        Claim memory other = Equivocation.claim(hub, index, second);
        Equivocation.requireConflict(one, other);
        // Nobody registers the zero address, so an impossible signature fails here too.
        require(
            _records[one.signer].operator != address(0),
            AttestationRegistry_UnknownSigner(one.signer)
        );
        emit SignerEquivocated({
            signer: one.signer,
            hub: hub,
            listRoot: one.listRoot,
            index: index,
            observedAt: one.observedAt,
            first: one.entry,
            second: other.entry
        });
        _revoke(one.signer);
    }

    /// @inheritdoc IAttestationRegistry
    function isValid(address signer) external view returns (bool) {
        return _isValid(_records[signer]);
    }

    /// @inheritdoc IAttestationRegistry
    function signerInfo(address signer) external view returns (SignerInfo memory) {
        Record memory record = _records[signer];
        return SignerInfo({
            operator: record.operator,
            expiresAt: record.expiresAt,
            imageId: _imagePolicy.imageIdAt(record.image),
            tee: record.marks >> 4,
            tier: _tierOf(record),
            revoked: record.marks & REVOKED != 0,
            valid: _isValid(record)
        });
    }

    /// @inheritdoc IAttestationRegistry
    function verifierAt(uint16 verifierId) external view returns (address) {
        return _verifiers[verifierId].where;
    }

    /// @inheritdoc IAttestationRegistry
    function imagePolicy() external view returns (address) {
        return address(_imagePolicy);
    }

    /// @inheritdoc IAttestationRegistry
    function maxRefBlocks() external view returns (uint64) {
        return _maxRefBlocks;
    }

    /// @inheritdoc IAttestationRegistry
    function domainSeparator() external view returns (bytes32) {
        return RegistrationCodec.domainSeparator(address(this));
    }

    /// @dev The signer is registered.
    function _revoke(address signer) private {
        Record storage record = _records[signer];
        require(record.marks & REVOKED == 0, AttestationRegistry_Revoked(signer));
        record.marks |= REVOKED;
        emit SignerRevoked({signer: signer, by: msg.sender});
        _signerSet.clearFor(signer);
    }

    function _emitRegistered(RegistrationRequest calldata r, Claims memory claims, uint64 expiresAt)
        private
    {
        emit SignerRegistered({
            signer: r.signer,
            operator: r.operator,
            imageId: claims.imageId,
            tee: claims.tee,
            tier: claims.tier,
            verifierId: r.verifierId,
            refBlock: r.refBlock,
            expiresAt: expiresAt,
            hwId: claims.hwId,
            hpkePublicKey: r.hpkePublicKey,
            evidence: r.evidence
        });
    }

    function _refBlockHash(uint64 refBlock) private view returns (bytes32 hash) {
        require(
            refBlock < block.number, AttestationRegistry_RefBlockNotPast(refBlock, block.number)
        );
        uint256 oldest = block.number > _maxRefBlocks ? block.number - _maxRefBlocks : 0;
        require(refBlock >= oldest, AttestationRegistry_RefBlockTooOld(refBlock, oldest));
        hash = BlockHistory.hashOf(refBlock);
        require(hash != 0, AttestationRegistry_RefBlockUnknown(refBlock));
    }

    function _requireSigned(
        RegistrationRequest calldata r,
        bytes32 hpkeKeyHash,
        bytes32 refBlockHash
    ) private view {
        uint256 vs = uint256(bytes32(r.signature[32:64]));
        uint256 s = Ecdsa.sOf(vs);
        require(s <= Ecdsa.MAX_S, AttestationRegistry_HighS(s, Ecdsa.MAX_S));
        bytes32 digest = RegistrationCodec.digest({
            domain: RegistrationCodec.domainSeparator(address(this)),
            operator: r.operator,
            hpkeKeyHash: hpkeKeyHash,
            refBlock: r.refBlock,
            refBlockHash: refBlockHash
        });
        address by = Ecdsa.recover(digest, bytes32(r.signature[:32]), vs);
        // The signer is not zero, so that an impossible signature fails here too.
        require(by == r.signer, AttestationRegistry_SignatureBy(by, r.signer));
    }

    function _requireBound(
        RegistrationRequest calldata r,
        Claims memory claims,
        bytes32 hpkeKeyHash,
        bytes32 refBlockHash
    ) private view {
        (address signer, uint64 refBlock, bytes32 bound, uint32 version) =
            RegistrationCodec.split(claims.reportData0, claims.reportData1);
        uint32 wantedVersion = RegistrationCodec.LAYOUT_VERSION;
        require(
            version == wantedVersion, AttestationRegistry_ReportDataVersion(version, wantedVersion)
        );
        require(signer == r.signer, AttestationRegistry_EvidenceForSigner(signer, r.signer));
        require(refBlock == r.refBlock, AttestationRegistry_EvidenceForBlock(refBlock, r.refBlock));
        bytes32 wanted = RegistrationCodec.binding({
            registry: address(this),
            signer: r.signer,
            refBlockHash: refBlockHash,
            operator: r.operator,
            hpkeKeyHash: hpkeKeyHash
        });
        require(bound == wanted, AttestationRegistry_EvidenceForRegistration(bound, wanted));
    }

    /// @dev The record as it would be: the image is live and for this platform, and something is
    ///     left of its life.
    function _appraise(RegistrationRequest calldata r, Claims memory claims)
        private
        view
        returns (Record memory)
    {
        ImageInfo memory info = _imagePolicy.image(claims.imageId);
        require(info.live, AttestationRegistry_ImageNotLive(claims.imageId));
        require(info.tee == claims.tee, AttestationRegistry_ImageForTee(claims.tee, info.tee));
        require(
            claims.notAfter > block.timestamp,
            AttestationRegistry_EvidenceExpired(claims.notAfter, block.timestamp)
        );
        uint256 byPolicy = block.timestamp + info.maxAge_s;
        uint256 expiresAt = claims.notAfter < byPolicy ? claims.notAfter : byPolicy;
        return Record({
            operator: r.operator,
            expiresAt: _toUint32(expiresAt),
            refBlock: _toUint32(r.refBlock),
            image: info.index,
            marks: (claims.tee << 4) | (claims.tier << 1)
        });
    }

    function _requireRenewable(
        Record memory old,
        Record memory renewed,
        address signer,
        Claims memory claims
    ) private view {
        if (old.operator == address(0)) return;
        require(old.marks & REVOKED == 0, AttestationRegistry_Revoked(signer));
        require(
            old.operator == renewed.operator,
            AttestationRegistry_OperatorChanged(renewed.operator, old.operator)
        );
        require(
            old.image == renewed.image,
            AttestationRegistry_ImageChanged(claims.imageId, _imagePolicy.imageIdAt(old.image))
        );
        require(
            old.marks == renewed.marks,
            AttestationRegistry_TierChanged(_tierOf(renewed), _tierOf(old))
        );
        require(
            renewed.refBlock > old.refBlock,
            AttestationRegistry_EvidenceNotNewer(renewed.refBlock, old.refBlock)
        );
        require(
            renewed.expiresAt >= old.expiresAt,
            AttestationRegistry_RenewalShortens(renewed.expiresAt, old.expiresAt)
        );
    }

    function _isValid(Record memory record) private view returns (bool) {
        return record.operator != address(0) && record.marks & REVOKED == 0
            && block.timestamp < record.expiresAt && _imagePolicy.isLive(record.image);
    }

    function _requireSound(RegistrationRequest calldata r) private pure {
        require(r.signer != address(0), AttestationRegistry_ZeroSigner());
        require(r.operator != address(0), AttestationRegistry_ZeroOperator());
        uint256 length = r.hpkePublicKey.length;
        require(length == HPKE_KEY_BYTES, AttestationRegistry_HpkeKeyLength(length, HPKE_KEY_BYTES));
        length = r.evidence.length;
        require(
            length <= MAX_EVIDENCE_BYTES,
            AttestationRegistry_EvidenceTooLong(length, MAX_EVIDENCE_BYTES)
        );
        length = r.hints.length;
        require(
            length <= MAX_HINTS_BYTES, AttestationRegistry_HintsTooLong(length, MAX_HINTS_BYTES)
        );
        length = r.signature.length;
        require(
            length == SIGNATURE_BYTES, AttestationRegistry_SignatureLength(length, SIGNATURE_BYTES)
        );
    }

    function _tierOf(Record memory record) private pure returns (uint8) {
        return (record.marks >> 1) & 7;
    }

    function _toUint32(uint256 value) private pure returns (uint32) {
        uint256 most = type(uint32).max;
        require(value <= most, AttestationRegistry_OutOfRange(value, most));
        // forge-lint: disable-next-line(unsafe-typecast) checked in the statement above
        return uint32(value);
    }
}
