// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "./Governed.sol";
import {
    IAttestationRegistry,
    RecheckRequest,
    RegistrationRequest,
    SignerInfo,
    Statement
} from "./interfaces/IAttestationRegistry.sol";
import {Claims} from "./interfaces/IAttestationVerifier.sol";
import {Appraisal, IImagePolicy, ImageInfo} from "./interfaces/IImagePolicy.sol";
import {ISignerSet} from "./interfaces/ISignerSet.sol";
import {BlockHistory} from "./libraries/BlockHistory.sol";
import {Ecdsa} from "./libraries/Ecdsa.sol";
import {Claim, Equivocation} from "./libraries/Equivocation.sol";
import {ImageBits, ImageBitsLib} from "./libraries/ImageBits.sol";
import {RegistrationCodec} from "./libraries/RegistrationCodec.sol";
import {Revert} from "./libraries/Revert.sol";
import {VerifierList} from "./registry/VerifierList.sol";
import {LifeCause} from "./types/LifeCause.sol";
import {SignerRecord, SignerRecords} from "./types/SignerRecord.sol";

/// @title Which keys exist only inside an attested enclave; see `IAttestationRegistry`
contract AttestationRegistry is VerifierList {
    using ImageBitsLib for ImageBits;

    /// @dev What `SignerRegistered` says besides the claims, in one place: without the optimizer the
    ///      compiler's stack has no room for so many things apart.
    struct Registered {
        address signer;
        address operator;
        uint16 verifierId;
        uint64 refBlock;
        uint64 expiresAt;
        uint8 cause;
        bytes hpkePublicKey;
        bytes evidence;
    }

    uint256 private constant HPKE_KEY_BYTES = 32;
    uint256 private constant SIGNATURE_BYTES = 64;

    IImagePolicy private immutable _imagePolicy;
    ISignerSet private immutable _signerSet;
    uint64 private immutable _maxRefBlocks;

    mapping(address signer => SignerRecord record) private _records;
    ImageBits private _withdrawn;

    /// @param imagePolicy_ Which images may register; it must name this registry.
    /// @param signerSet What is told when a signer is revoked or suspended; it may have no code yet.
    /// @param maxRefBlocks_ Age limit of evidence in blocks, 1 to 8,191.
    constructor(
        address governance_,
        address guardian_,
        uint256 minDelay_s,
        IImagePolicy imagePolicy_,
        ISignerSet signerSet,
        uint64 maxRefBlocks_
    ) Governed(governance_, guardian_, minDelay_s) {
        require(address(signerSet) != address(0), AttestationRegistry_ZeroAddress());
        require(
            address(imagePolicy_).code.length > 0, AttestationRegistry_NoCode(address(imagePolicy_))
        );
        address told = imagePolicy_.registry();
        require(told == address(this), AttestationRegistry_ForeignPolicy(told, address(this)));
        require(
            maxRefBlocks_ > 0 && maxRefBlocks_ <= BlockHistory.REACH,
            AttestationRegistry_RefWindowOutOfRange(maxRefBlocks_, BlockHistory.REACH)
        );
        _imagePolicy = imagePolicy_;
        _signerSet = signerSet;
        _maxRefBlocks = maxRefBlocks_;
    }

    /// @inheritdoc IAttestationRegistry
    function register(RegistrationRequest calldata r) external {
        // Read once: each reading checks again that it is an address.
        address signer = r.signer;
        address operator = r.operator;
        // 1. Shape: nothing empty, nothing unbounded.
        require(signer != address(0), AttestationRegistry_ZeroSigner());
        require(operator != address(0), AttestationRegistry_ZeroOperator());
        bytes32 hpkeKeyHash = _hpkeKeyHash(r.hpkePublicKey);
        // 2. Time: the block that the evidence commits to is past, recent, and its hash is known.
        uint64 refBlock = r.refBlock;
        bytes32 refBlockHash = _refBlockHash(refBlock);
        // 3. Consent: the signer's key itself names operator, encryption key and block.
        _requireSigned(r.signature, signer, operator, refBlock, hpkeKeyHash, refBlockHash);
        // 4. Genuineness: the verifier checks the evidence up to the vendor's root.
        Claims memory claims = _claims(r.verifierId, r.evidence, r.hints, r.endorsements);
        // 5. Binding: the enclave committed to this signer, block, chain, registry, operator and
        // key.
        _requireBound(claims, signer, operator, refBlock, hpkeKeyHash, refBlockHash);
        // 6. Appraisal, and what was registered before.
        SignerRecord record = _appraised(operator, refBlock, claims);
        _requireRenewable(_records[signer], record, signer, claims.imageId);
        // 7. Effect.
        _records[signer] = record;
        _emitRegistered(claims, _registered(r, signer, record));
    }

    /// @inheritdoc IAttestationRegistry
    function recheck(RecheckRequest calldata r) external {
        // 1. Genuineness, with the collateral of now.
        Claims memory claims = _claims(r.verifierId, r.evidence, r.hints, r.endorsements);
        // 2. Whose: a signer that is registered, and not for good out of it.
        SignerRecord record = _records[r.signer];
        require(record.isKnown(), AttestationRegistry_UnknownSigner(r.signer));
        require(!record.isRevoked(), AttestationRegistry_Revoked(r.signer));
        // 3. Which: the evidence that the record stands on.
        _requireBound(
            claims, r.signer, record.operator(), record.refBlock(), r.hpkeKeyHash, r.refBlockHash
        );
        _requireSameTier(claims.tier, record.tier());
        Appraisal memory appraisal = _imagePolicy.appraise(claims);
        _requireSameImage(claims.imageId, appraisal.index, record.image());
        // 4. Effect.
        if (appraisal.refusal.length == 0) _extend(r.signer, record, claims, appraisal);
        else _suspend(r.signer, record, appraisal);
    }

    /// @inheritdoc IAttestationRegistry
    function revoke(address signer) external {
        SignerRecord record = _records[signer];
        require(record.isKnown(), AttestationRegistry_UnknownSigner(signer));
        require(
            msg.sender == record.operator() || msg.sender == governance()
                || msg.sender == guardian(),
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
        require(_records[one.signer].isKnown(), AttestationRegistry_UnknownSigner(one.signer));
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
    function imageWithdrawn(uint256 index) external {
        require(msg.sender == address(_imagePolicy), AttestationRegistry_NotImagePolicy(msg.sender));
        _withdrawn.set(index);
    }

    /// @inheritdoc IAttestationRegistry
    function isValid(address signer) external view returns (bool) {
        SignerRecord record = _records[signer];
        return record.isValid(_withdrawn.has(record.image()));
    }

    /// @inheritdoc IAttestationRegistry
    function signerInfo(address signer) external view returns (SignerInfo memory info) {
        SignerRecord record = _records[signer];
        if (!record.isKnown()) return info;
        (bytes32 imageId, ImageInfo memory image) = _imagePolicy.imageAt(record.image());
        return SignerInfo({
            operator: record.operator(),
            registeredAt: record.registeredAt(),
            expiresAt: record.expiresAt(),
            imageId: imageId,
            tee: image.tee,
            tier: record.tier(),
            cause: _causeOf(record),
            revoked: record.isRevoked(),
            valid: _isValid(record)
        });
    }

    /// @inheritdoc IAttestationRegistry
    function lifeLeft(address signer) external view returns (uint256 seconds_, uint8 cause) {
        SignerRecord record = _records[signer];
        cause = _causeOf(record);
        if (_isValid(record)) seconds_ = record.expiresAt() - block.timestamp;
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
        SignerRecord record = _records[signer];
        require(!record.isRevoked(), AttestationRegistry_Revoked(signer));
        _records[signer] = record.asRevoked();
        emit SignerRevoked({signer: signer, by: msg.sender});
        _signerSet.clearFor(signer);
    }

    /// @dev The claims are accepted. Nothing is ever shortened here, whatever they say.
    function _extend(
        address signer,
        SignerRecord record,
        Claims memory claims,
        Appraisal memory appraisal
    ) private {
        SignerRecord extended = _ending(record, appraisal);
        uint64 end = extended.expiresAt();
        uint256 least = block.timestamp > record.expiresAt() ? block.timestamp : record.expiresAt();
        require(end > least, AttestationRegistry_NothingToChange(end, least));
        _records[signer] = extended;
        emit SignerExtended({
            signer: signer,
            by: msg.sender,
            tcbStatus: claims.tcbStatus,
            evaluationNumber: claims.evaluationNumber,
            expiresAt: end,
            cause: extended.cause()
        });
    }

    /// @dev The claims are refused: whoever chose the collateral, this has an effect only if no
    ///      other would have been accepted, and if there is a life to end: that of a withdrawn image's
    ///      signer is ended, and hubs that were rebuilt since must not be cleared for it.
    function _suspend(address signer, SignerRecord record, Appraisal memory appraisal) private {
        if (!appraisal.isFinal || !_isValid(record)) Revert.bubble(appraisal.refusal);
        _records[signer] = record.endingAt(block.timestamp, LifeCause.APPRAISAL);
        emit SignerSuspended({signer: signer, by: msg.sender, refusal: appraisal.refusal});
        _signerSet.clearFor(signer);
    }

    function _emitRegistered(Claims memory claims, Registered memory it) private {
        emit SignerRegistered({
            signer: it.signer,
            operator: it.operator,
            imageId: claims.imageId,
            tee: claims.tee,
            tier: claims.tier,
            tcbStatus: claims.tcbStatus,
            evaluationNumber: claims.evaluationNumber,
            verifierId: it.verifierId,
            refBlock: it.refBlock,
            expiresAt: it.expiresAt,
            cause: it.cause,
            hwId: claims.hwId,
            evidenceHash: keccak256(it.evidence),
            hpkePublicKey: it.hpkePublicKey,
            evidence: it.evidence
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
        bytes calldata signature,
        address signer,
        address operator,
        uint64 refBlock,
        bytes32 hpkeKeyHash,
        bytes32 refBlockHash
    ) private view {
        uint256 length = signature.length;
        require(
            length == SIGNATURE_BYTES, AttestationRegistry_SignatureLength(length, SIGNATURE_BYTES)
        );
        uint256 vs = uint256(bytes32(signature[32:64]));
        uint256 s = Ecdsa.sOf(vs);
        require(s <= Ecdsa.MAX_S, AttestationRegistry_HighS(s, Ecdsa.MAX_S));
        bytes32 digest = RegistrationCodec.digest({
            domain: RegistrationCodec.domainSeparator(address(this)),
            operator: operator,
            hpkeKeyHash: hpkeKeyHash,
            refBlock: refBlock,
            refBlockHash: refBlockHash
        });
        address by = Ecdsa.recover(digest, bytes32(signature[:32]), vs);
        // The signer is not zero, so that an impossible signature fails here too.
        require(by == signer, AttestationRegistry_SignatureBy(by, signer));
    }

    function _requireBound(
        Claims memory claims,
        address signer,
        address operator,
        uint64 refBlock,
        bytes32 hpkeKeyHash,
        bytes32 refBlockHash
    ) private view {
        (address seenSigner, uint64 seenBlock, bytes32 seen, uint32 version) =
            RegistrationCodec.split(claims.reportData0, claims.reportData1);
        uint32 wantedVersion = RegistrationCodec.LAYOUT_VERSION;
        require(
            version == wantedVersion, AttestationRegistry_ReportDataVersion(version, wantedVersion)
        );
        require(seenSigner == signer, AttestationRegistry_EvidenceForSigner(seenSigner, signer));
        require(seenBlock == refBlock, AttestationRegistry_EvidenceForBlock(seenBlock, refBlock));
        bytes32 wanted = RegistrationCodec.binding({
            registry: address(this),
            signer: signer,
            refBlockHash: refBlockHash,
            operator: operator,
            hpkeKeyHash: hpkeKeyHash
        });
        require(seen == wanted, AttestationRegistry_EvidenceForRegistration(seen, wanted));
    }

    /// @dev The record as it would be: the policy accepts the claims, and something is left of its
    ///      life. A refusal of the policy is passed on as it is.
    function _appraised(address operator, uint64 refBlock, Claims memory claims)
        private
        view
        returns (SignerRecord record)
    {
        Appraisal memory appraisal = _imagePolicy.appraise(claims);
        if (appraisal.refusal.length != 0) Revert.bubble(appraisal.refusal);
        _requireUint32(refBlock);
        _requireUint32(block.timestamp);
        record = SignerRecords.make({
            operator_: operator,
            refBlock_: refBlock,
            now_: block.timestamp,
            image_: appraisal.index,
            tier_: claims.tier
        });
        record = _ending(record, appraisal);
        uint64 end = record.expiresAt();
        require(end > block.timestamp, AttestationRegistry_EvidenceExpired(end, block.timestamp));
    }

    function _requireRenewable(
        SignerRecord old,
        SignerRecord renewed,
        address signer,
        bytes32 imageId
    ) private view {
        if (!old.isKnown()) return;
        require(!old.isRevoked(), AttestationRegistry_Revoked(signer));
        require(
            old.operator() == renewed.operator(),
            AttestationRegistry_OperatorChanged(renewed.operator(), old.operator())
        );
        _requireSameImage(imageId, renewed.image(), old.image());
        _requireSameTier(renewed.tier(), old.tier());
        require(
            renewed.refBlock() > old.refBlock(),
            AttestationRegistry_EvidenceNotNewer(renewed.refBlock(), old.refBlock())
        );
        require(
            renewed.expiresAt() >= old.expiresAt(),
            AttestationRegistry_RenewalShortens(renewed.expiresAt(), old.expiresAt())
        );
    }

    function _requireSameImage(bytes32 seen, uint16 seenIndex, uint16 wanted) private view {
        if (seenIndex == wanted) return;
        (bytes32 wantedId,) = _imagePolicy.imageAt(wanted);
        revert AttestationRegistry_ImageChanged(seen, wantedId);
    }

    function _isValid(SignerRecord record) private view returns (bool) {
        return record.isValid(_withdrawn.has(record.image()));
    }

    /// @dev No image has index 0, so an unknown signer's is never withdrawn.
    function _causeOf(SignerRecord record) private view returns (uint8) {
        if (record.isRevoked()) return LifeCause.REVOKED;
        return _withdrawn.has(record.image()) ? LifeCause.WITHDRAWN : record.cause();
    }

    function _hpkeKeyHash(bytes calldata key) private pure returns (bytes32) {
        uint256 length = key.length;
        require(length == HPKE_KEY_BYTES, AttestationRegistry_HpkeKeyLength(length, HPKE_KEY_BYTES));
        return keccak256(key);
    }

    function _requireSameTier(uint8 seen, uint8 wanted) private pure {
        require(seen == wanted, AttestationRegistry_TierChanged(seen, wanted));
    }

    function _requireUint32(uint256 value) private pure {
        uint256 most = type(uint32).max;
        require(value <= most, AttestationRegistry_OutOfRange(value, most));
    }

    /// @dev The record with the earlier of two ends: the image's age, counted from its
    ///      registration, and the appraisal's, which is not before it.
    function _ending(SignerRecord record, Appraisal memory appraisal)
        private
        pure
        returns (SignerRecord)
    {
        uint256 end = uint256(record.registeredAt()) + appraisal.maxAge_s;
        uint8 cause = LifeCause.AGE;
        if (appraisal.until < end) (end, cause) = (appraisal.until, appraisal.cause);
        return record.endingAt(end, cause);
    }

    function _registered(RegistrationRequest calldata r, address signer, SignerRecord record)
        private
        pure
        returns (Registered memory)
    {
        return Registered({
            signer: signer,
            operator: record.operator(),
            verifierId: r.verifierId,
            refBlock: record.refBlock(),
            expiresAt: record.expiresAt(),
            cause: record.cause(),
            hpkePublicKey: r.hpkePublicKey,
            evidence: r.evidence
        });
    }
}
