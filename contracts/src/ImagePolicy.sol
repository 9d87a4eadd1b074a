// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "./Governed.sol";
import {IAttestationRegistry} from "./interfaces/IAttestationRegistry.sol";
import {Claims} from "./interfaces/IAttestationVerifier.sol";
import {
    Appraisal,
    IImagePolicy,
    ImageApproval,
    ImageInfo,
    Requirements
} from "./interfaces/IImagePolicy.sol";
import {ISignerSet} from "./interfaces/ISignerSet.sol";
import {Advisories} from "./libraries/Advisories.sol";
import {LifeCause} from "./types/LifeCause.sol";
import {TeeKind} from "./types/Tee.sol";

/// @title Which enclave images may sign, and on which platforms; see `IImagePolicy`
contract ImagePolicy is Governed, IImagePolicy {
    /// @dev The registry counts time in units of 64 seconds.
    uint32 private constant MIN_AGE_S = 64;
    uint32 private constant MAX_AGE_S = 365 days;
    uint32 private constant MAX_COLLATERAL_GRACE_S = 30 days;
    uint32 private constant ANY_NUMBER = type(uint32).max;
    /// @dev Every status up to 9 but REVOKED; see `TcbStatus`.
    uint16 private constant KNOWN_STATUSES = 0x37F;
    uint16 private constant NOT_APPRAISED = 1;
    uint16 private constant MAX_INDEX = 8191;
    uint256 private constant MAX_LISTED = 64;
    uint256 private constant MAX_ADVISORY_BYTES = 32;
    uint256 private constant MAX_SOURCE_BYTES = 256;
    uint256 private constant GUARDIAN_INTERVAL_S = 1 days;

    ISignerSet private immutable _signerSet;
    IAttestationRegistry private immutable _registry;

    uint16 private _count;
    uint64 private _guardianWithdrewAt;
    mapping(bytes32 imageId => ImageInfo info) private _images;
    mapping(uint16 index => bytes32 imageId) private _imageIds;
    /// @dev A list is that of an image and a version, so that a change leaves nothing of the last.
    mapping(uint256 list => mapping(bytes32 hwId => bool isSo)) private _isAllowed;
    mapping(uint256 list => mapping(bytes32 nameHash => bool isSo)) private _isAccepted;

    /// @param signerSet What is cleared when an image is withdrawn; it may have no code yet.
    /// @param registry_ What is told when an image is withdrawn; it may have no code yet.
    constructor(
        address governance_,
        address guardian_,
        uint256 minDelay_s,
        ISignerSet signerSet,
        IAttestationRegistry registry_
    ) Governed(governance_, guardian_, minDelay_s) {
        require(
            address(signerSet) != address(0) && address(registry_) != address(0),
            ImagePolicy_ZeroAddress()
        );
        _signerSet = signerSet;
        _registry = registry_;
    }

    /// @inheritdoc IImagePolicy
    function approveImage(ImageApproval calldata approval) external onlySelf {
        _requireSound(approval);
        bytes32 imageId = approval.imageId;
        require(_images[imageId].index == 0, ImagePolicy_KnownImage(imageId));
        require(_count < MAX_INDEX, ImagePolicy_Full());
        uint16 index = ++_count;
        _imageIds[index] = imageId;
        _keep(imageId, index, approval.tee, 0, approval.requirements);
        emit ImageApproved({
            imageId: imageId,
            index: index,
            tee: approval.tee,
            source: approval.source,
            commit: approval.commit,
            buildDigest: approval.buildDigest,
            requirements: approval.requirements
        });
    }

    /// @inheritdoc IImagePolicy
    function changeRequirements(bytes32 imageId, Requirements calldata requirements)
        external
        onlySelf
    {
        ImageInfo memory old = _images[imageId];
        require(old.live, ImagePolicy_NotLive(imageId));
        _requireSound(requirements, old.tee);
        uint32 version = old.version + 1;
        _keep(imageId, old.index, old.tee, version, requirements);
        emit ImageRequirementsChanged({
            imageId: imageId, index: old.index, version: version, requirements: requirements
        });
    }

    /// @inheritdoc IImagePolicy
    function withdrawImage(bytes32 imageId) external {
        _requireMayWithdraw();
        ImageInfo storage info = _images[imageId];
        require(info.live, ImagePolicy_NotLive(imageId));
        info.live = false;
        uint16 index = info.index;
        emit ImageWithdrawn({imageId: imageId, index: index, by: msg.sender});
        _registry.imageWithdrawn(index);
        _signerSet.clear();
    }

    /// @inheritdoc IImagePolicy
    function appraise(Claims calldata claims) external view returns (Appraisal memory appraisal) {
        ImageInfo memory info = _images[claims.imageId];
        appraisal.index = info.index;
        appraisal.maxAge_s = info.maxAge_s;
        // 1. Image and machine: no collateral changes them.
        appraisal.refusal = _identityRefusal(info, claims);
        if (appraisal.refusal.length != 0) {
            appraisal.isFinal = true;
            return appraisal;
        }
        // 2. The collateral's number.
        appraisal.refusal = _numberRefusal(info, claims);
        if (appraisal.refusal.length != 0) return appraisal;
        // 3. Time left.
        (appraisal.until, appraisal.cause) = _end(info, claims);
        if (appraisal.until <= block.timestamp) {
            appraisal.refusal = abi.encodeWithSelector(
                ImagePolicy_Ended.selector, appraisal.cause, appraisal.until, block.timestamp
            );
            return appraisal;
        }
        // 4. What the collateral says of the platform.
        appraisal.refusal = _platformRefusal(info, claims);
        appraisal.isFinal = appraisal.refusal.length != 0 && _isLowestNumber(info, claims);
    }

    /// @inheritdoc IImagePolicy
    function image(bytes32 imageId) external view returns (ImageInfo memory) {
        return _images[imageId];
    }

    /// @inheritdoc IImagePolicy
    function imageAt(uint16 index) external view returns (bytes32 imageId, ImageInfo memory info) {
        imageId = _imageIds[index];
        info = _images[imageId];
    }

    /// @inheritdoc IImagePolicy
    function registry() external view returns (address) {
        return address(_registry);
    }

    /// @dev The requirements are sound.
    function _keep(
        bytes32 imageId,
        uint16 index,
        uint8 tee,
        uint32 version,
        Requirements calldata requirements
    ) private {
        _images[imageId] = ImageInfo({
            index: index,
            tee: tee,
            live: true,
            hasPlatforms: requirements.platforms.length != 0,
            hasAdvisories: requirements.advisories.length != 0,
            tcbStatuses: requirements.tcbStatuses,
            maxAge_s: requirements.maxAge_s,
            minEvaluationNumber: requirements.minEvaluationNumber,
            recoveryGrace_s: requirements.recoveryGrace_s,
            collateralGrace_s: requirements.collateralGrace_s,
            version: version
        });
        uint256 list = _listOf(index, version);
        for (uint256 i; i < requirements.platforms.length; ++i) {
            _isAllowed[list][requirements.platforms[i]] = true;
        }
        for (uint256 i; i < requirements.advisories.length; ++i) {
            _isAccepted[list][keccak256(bytes(requirements.advisories[i]))] = true;
        }
    }

    /// @dev Governance always; the guardian when its last withdrawal is a day ago, which this one
    ///     becomes.
    function _requireMayWithdraw() private {
        if (msg.sender == governance()) return;
        require(msg.sender == guardian(), ImagePolicy_MayNotWithdraw(msg.sender));
        uint256 next = _guardianWithdrewAt == 0 ? 0 : _guardianWithdrewAt + GUARDIAN_INTERVAL_S;
        require(block.timestamp >= next, ImagePolicy_GuardianTooSoon(block.timestamp, next));
        _guardianWithdrewAt = uint64(block.timestamp);
    }

    /// @return Empty if the image is live, of this platform, and may run on this machine.
    function _identityRefusal(ImageInfo memory info, Claims calldata claims)
        private
        view
        returns (bytes memory)
    {
        if (!info.live) {
            return abi.encodeWithSelector(ImagePolicy_NotLive.selector, claims.imageId);
        }
        if (claims.tee != info.tee) {
            return abi.encodeWithSelector(ImagePolicy_ImageForTee.selector, claims.tee, info.tee);
        }
        if (info.hasPlatforms && !_isAllowed[_listOf(info.index, info.version)][claims.hwId]) {
            return abi.encodeWithSelector(ImagePolicy_PlatformNotAllowed.selector, claims.hwId);
        }
        return "";
    }

    /// @return Empty if collateral of this evaluation number is taken now.
    function _numberRefusal(ImageInfo memory info, Claims calldata claims)
        private
        view
        returns (bytes memory)
    {
        uint32 number = claims.evaluationNumber;
        if (number < info.minEvaluationNumber) {
            return abi.encodeWithSelector(
                ImagePolicy_NumberTooLow.selector, number, info.minEvaluationNumber
            );
        }
        if (info.recoveryGrace_s == ANY_NUMBER) return "";
        if (claims.supersededAt == 0) {
            return abi.encodeWithSelector(ImagePolicy_NumberNotShown.selector, number);
        }
        uint256 end = uint256(claims.supersededAt) + info.recoveryGrace_s;
        if (end <= block.timestamp) {
            return
                abi.encodeWithSelector(ImagePolicy_RecoveryGraceOver.selector, end, block.timestamp);
        }
        return "";
    }

    /// @return Empty if the status and all open advisories are accepted.
    function _platformRefusal(ImageInfo memory info, Claims calldata claims)
        private
        view
        returns (bytes memory)
    {
        // A status above 15 has no bit.
        if ((uint256(1) << claims.tcbStatus) & info.tcbStatuses == 0) {
            return abi.encodeWithSelector(
                ImagePolicy_StatusNotAccepted.selector, claims.tcbStatus, info.tcbStatuses
            );
        }
        bytes calldata list = claims.advisories;
        uint256 offset = 0;
        while (offset < list.length) {
            (bytes calldata name, uint256 next, bool isSound) = Advisories.nameAt(list, offset);
            if (!isSound) {
                return abi.encodeWithSelector(ImagePolicy_AdvisoriesMalformed.selector, next);
            }
            if (!_isAcceptedAdvisory(info, name)) {
                return abi.encodeWithSelector(ImagePolicy_AdvisoryNotAccepted.selector, name);
            }
            offset = next;
        }
        return "";
    }

    function _isAcceptedAdvisory(ImageInfo memory info, bytes calldata name)
        private
        view
        returns (bool)
    {
        return info.hasAdvisories && _isAccepted[_listOf(info.index, info.version)][keccak256(name)];
    }

    /// @dev Whether the claims' number, which is taken, is the lowest that is: the one before it is
    ///      below the minimum, or superseded for longer than the grace, by this one. Lower numbers
    ///      are the more lenient ones, so whoever is refused under the lowest is refused under all.
    function _isLowestNumber(ImageInfo memory info, Claims calldata claims)
        private
        view
        returns (bool)
    {
        // Not shown, or the collateral is of two numbers.
        if (claims.publicSince == 0) return false;
        return claims.evaluationNumber <= info.minEvaluationNumber
            || uint256(claims.publicSince) + info.recoveryGrace_s <= block.timestamp;
    }

    function _requireSound(ImageApproval calldata approval) private pure {
        require(approval.imageId != 0, ImagePolicy_ZeroImage());
        uint8 tee = approval.tee;
        require(
            tee >= TeeKind.SGX && tee <= TeeKind.TRUSTZONE,
            ImagePolicy_UnknownTee(tee, TeeKind.TRUSTZONE)
        );
        uint256 length = bytes(approval.source).length;
        require(
            length > 0 && length <= MAX_SOURCE_BYTES,
            ImagePolicy_SourceLength(length, MAX_SOURCE_BYTES)
        );
        require(
            approval.commit != 0 && approval.buildDigest != 0,
            ImagePolicy_NoProvenance(approval.commit, approval.buildDigest)
        );
        _requireSound(approval.requirements, tee);
    }

    function _requireSound(Requirements calldata r, uint8 tee) private pure {
        require(
            r.maxAge_s >= MIN_AGE_S && r.maxAge_s <= MAX_AGE_S,
            ImagePolicy_MaxAgeOutOfRange(r.maxAge_s, MIN_AGE_S, MAX_AGE_S)
        );
        bool isIntel = tee == TeeKind.SGX || tee == TeeKind.TDX;
        uint16 mask = isIntel ? KNOWN_STATUSES & ~NOT_APPRAISED : KNOWN_STATUSES;
        require(
            r.tcbStatuses != 0 && r.tcbStatuses & ~mask == 0,
            ImagePolicy_StatusesOutOfRange(r.tcbStatuses, mask)
        );
        require(
            r.collateralGrace_s <= MAX_COLLATERAL_GRACE_S,
            ImagePolicy_CollateralGraceTooLong(r.collateralGrace_s, MAX_COLLATERAL_GRACE_S)
        );
        uint256 length = r.platforms.length;
        require(length <= MAX_LISTED, ImagePolicy_TooManyPlatforms(length, MAX_LISTED));
        length = r.advisories.length;
        require(length <= MAX_LISTED, ImagePolicy_TooManyAdvisories(length, MAX_LISTED));
        for (uint256 i; i < length; ++i) {
            _requireSound(bytes(r.advisories[i]));
        }
    }

    function _requireSound(bytes calldata advisory) private pure {
        uint256 length = advisory.length;
        require(
            length > 0 && length <= MAX_ADVISORY_BYTES,
            ImagePolicy_AdvisoryLength(length, MAX_ADVISORY_BYTES)
        );
        for (uint256 i; i < length; ++i) {
            bytes1 character = advisory[i];
            require(
                character >= 0x20 && character <= 0x7E && character != "\"",
                ImagePolicy_AdvisoryCharacter(character)
            );
        }
    }

    /// @dev The earliest of the three ends; the first named of equal ones.
    function _end(ImageInfo memory info, Claims calldata claims)
        private
        pure
        returns (uint64, uint8)
    {
        uint256 end = claims.notAfter;
        uint8 cause = LifeCause.CERTIFICATE;
        uint256 other = uint256(claims.collateralUntil) + info.collateralGrace_s;
        if (other < end) (end, cause) = (other, LifeCause.COLLATERAL);
        if (info.recoveryGrace_s != ANY_NUMBER) {
            other = uint256(claims.supersededAt) + info.recoveryGrace_s;
            if (other < end) (end, cause) = (other, LifeCause.RECOVERY);
        }
        // forge-lint: disable-next-line(unsafe-typecast) not above the first, which is a uint64
        return (uint64(end), cause);
    }

    function _listOf(uint16 index, uint32 version) private pure returns (uint256) {
        return uint256(index) << 32 | version;
    }
}
