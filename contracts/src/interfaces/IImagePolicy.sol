// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGoverned} from "./IGoverned.sol";

/// @title An image that governance approves, with what an auditor needs to rebuild it
/// @param imageId What a verifier derives from the measurements; see `Claims.imageId`.
/// @param tee Platform the image runs on, 1 to 8 as in `Claims.tee`.
/// @param maxAge_s Longest life of a registration of this image, in seconds; 1 to 31,536,000.
/// @param source Where the source is published; 1 to 256 bytes.
/// @param commit Commit of that source.
/// @param buildDigest Digest of the build's output, so that a rebuild can be compared.
struct ImageApproval {
    bytes32 imageId;
    uint8 tee;
    uint32 maxAge_s;
    string source;
    bytes20 commit;
    bytes32 buildDigest;
}

/// @title What the policy says of an image
/// @param index Position in the order of approval, from 1; 0 for an image that was never approved.
/// @param tee Platform, 1 to 8; 0 for an image that was never approved.
/// @param maxAge_s Longest life of a registration, in seconds.
/// @param live Approved and not withdrawn.
struct ImageInfo {
    uint24 index;
    uint8 tee;
    uint32 maxAge_s;
    bool live;
}

/// @title Which enclave images may sign
/// @notice An image is approved under the delay of governance and withdrawn at once and for good.
/// @dev Nothing is approved by default, and no rule can be switched off. A withdrawn image stops
///      every signer of it: the registry asks `isLive` at each read, and the hubs are cleared in
///      the withdrawing transaction.
interface IImagePolicy is IGoverned {
    /// @notice An image was approved. `source`, `commit` and `buildDigest` say how to rebuild it.
    event ImageApproved(
        bytes32 indexed imageId,
        uint8 tee,
        uint24 indexed index,
        uint32 maxAge_s,
        string source,
        bytes20 commit,
        bytes32 buildDigest
    );

    /// @notice An image was withdrawn, for good.
    event ImageWithdrawn(bytes32 indexed imageId, uint24 indexed index, address by);

    /// @notice The image has been approved before, whether or not it still lives; an id is never
    ///         approved twice.
    error ImagePolicy_KnownImage(bytes32 seen);

    /// @notice The zero id is no image.
    error ImagePolicy_ZeroImage();

    /// @notice The platform number is outside 1 to `wantedMax`.
    error ImagePolicy_UnknownTee(uint8 seen, uint8 wantedMax);

    /// @notice The longest life is 0 or more than `wantedMax` seconds.
    error ImagePolicy_MaxAgeOutOfRange(uint32 seen, uint32 wantedMax);

    /// @notice The source locator is empty or longer than `wantedMax` bytes.
    error ImagePolicy_SourceLength(uint256 seen, uint256 wantedMax);

    /// @notice An approval without a commit or without a build digest cannot be audited.
    error ImagePolicy_NoProvenance(bytes20 commit, bytes32 buildDigest);

    /// @notice All 16,777,215 indexes are used.
    error ImagePolicy_Full();

    /// @notice The image is not live: never approved, or withdrawn already.
    error ImagePolicy_NotLive(bytes32 seen);

    /// @notice Only governance or the guardian may withdraw.
    error ImagePolicy_MayNotWithdraw(address seen);

    /// @notice The guardian withdraws at most one image a day; its next turn is at `wanted`.
    error ImagePolicy_GuardianTooSoon(uint256 seen, uint256 wanted);

    /// @notice The signer set fixed at construction is the zero address.
    error ImagePolicy_NoSignerSet();

    /// @notice Approve an image. Reached only through the delay of governance.
    /// @param approval The image and its provenance.
    function approveImage(ImageApproval calldata approval) external;

    /// @notice Withdraw an image at once and for good. Governance any, the guardian at most one a
    ///         day.
    /// @dev Clears the hubs in the same transaction, so that reports of the image's signers fail
    ///     from the next one on.
    /// @param imageId A live image.
    function withdrawImage(bytes32 imageId) external;

    /// @notice What the policy says of an image.
    /// @param imageId Any id.
    /// @return All zeros for an image that was never approved.
    function image(bytes32 imageId) external view returns (ImageInfo memory);

    /// @notice The id of the image approved as number `index`.
    /// @param index From 1 in the order of approval.
    /// @return Zero for an index that is not used.
    function imageIdAt(uint24 index) external view returns (bytes32);

    /// @notice Whether the image approved as number `index` may sign now.
    /// @param index From 1 in the order of approval.
    /// @return False for an index that is not used or withdrawn.
    function isLive(uint24 index) external view returns (bool);
}
