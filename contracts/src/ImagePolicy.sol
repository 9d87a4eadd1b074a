// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "./Governed.sol";
import {IImagePolicy, ImageApproval, ImageInfo} from "./interfaces/IImagePolicy.sol";
import {ISignerSet} from "./interfaces/ISignerSet.sol";
import {TeeKind} from "./types/Tee.sol";

/// @title Which enclave images may sign; see `IImagePolicy`
contract ImagePolicy is Governed, IImagePolicy {
    uint32 private constant MAX_AGE_S = 365 days;
    uint256 private constant MAX_SOURCE_BYTES = 256;
    uint256 private constant GUARDIAN_INTERVAL_S = 1 days;

    ISignerSet private immutable _signerSet;

    uint24 private _count;
    uint64 private _guardianWithdrewAt;
    mapping(bytes32 imageId => uint24 index) private _indexes;
    mapping(uint24 index => bytes32 imageId) private _imageIds;
    mapping(uint24 index => ImageInfo info) private _images;

    /// @param signerSet What is cleared when an image is withdrawn; it may have no code yet.
    constructor(address governance_, address guardian_, uint256 minDelay_s, ISignerSet signerSet)
        Governed(governance_, guardian_, minDelay_s)
    {
        require(address(signerSet) != address(0), ImagePolicy_NoSignerSet());
        _signerSet = signerSet;
    }

    /// @inheritdoc IImagePolicy
    function approveImage(ImageApproval calldata approval) external onlySelf {
        _requireSound(approval);
        bytes32 imageId = approval.imageId;
        require(_indexes[imageId] == 0, ImagePolicy_KnownImage(imageId));
        require(_count < type(uint24).max, ImagePolicy_Full());
        uint24 index = ++_count;
        _indexes[imageId] = index;
        _imageIds[index] = imageId;
        _images[index] =
            ImageInfo({index: index, tee: approval.tee, maxAge_s: approval.maxAge_s, live: true});
        emit ImageApproved({
            imageId: imageId,
            tee: approval.tee,
            index: index,
            maxAge_s: approval.maxAge_s,
            source: approval.source,
            commit: approval.commit,
            buildDigest: approval.buildDigest
        });
    }

    /// @inheritdoc IImagePolicy
    function withdrawImage(bytes32 imageId) external {
        _requireMayWithdraw();
        uint24 index = _indexes[imageId];
        require(_images[index].live, ImagePolicy_NotLive(imageId));
        _images[index].live = false;
        emit ImageWithdrawn({imageId: imageId, index: index, by: msg.sender});
        _signerSet.clear();
    }

    /// @inheritdoc IImagePolicy
    function image(bytes32 imageId) external view returns (ImageInfo memory) {
        return _images[_indexes[imageId]];
    }

    /// @inheritdoc IImagePolicy
    function imageIdAt(uint24 index) external view returns (bytes32) {
        return _imageIds[index];
    }

    /// @inheritdoc IImagePolicy
    function isLive(uint24 index) external view returns (bool) {
        return _images[index].live;
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

    function _requireSound(ImageApproval calldata approval) private pure {
        require(approval.imageId != 0, ImagePolicy_ZeroImage());
        uint8 tee = approval.tee;
        require(
            tee >= TeeKind.SGX && tee <= TeeKind.TRUSTZONE,
            ImagePolicy_UnknownTee(tee, TeeKind.TRUSTZONE)
        );
        uint32 maxAge_s = approval.maxAge_s;
        require(
            maxAge_s > 0 && maxAge_s <= MAX_AGE_S, ImagePolicy_MaxAgeOutOfRange(maxAge_s, MAX_AGE_S)
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
    }
}
