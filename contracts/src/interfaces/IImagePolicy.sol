// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims} from "./IAttestationVerifier.sol";
import {IGoverned} from "./IGoverned.sol";

/// @title What an image's signers and their platforms must meet
/// @dev Times are seconds. Every field is a tightening at its lowest value; what loosens is named.
/// @param maxAge_s Longest life of a registration, 64 to 31,536,000.
/// @param tcbStatuses Bit `1 << status` for each status of `TcbStatus` that is accepted; at least
///        one. REVOKED (bit 7) never is. Bit 0, a platform whose status nobody appraised, is a
///        loosening, and possible only where the vendor publishes no statuses: not for SGX and TDX.
/// @param minEvaluationNumber Lowest TCB evaluation data number of the vendor's collateral.
/// @param recoveryGrace_s How long after the vendor made a higher number public the lower one is
///        still taken. 4,294,967,295 is a loosening: whatever the number, and it need not be shown
///        which higher ones there are.
/// @param collateralGrace_s How long a registration outlives the collateral that it was appraised
///        with, at most 2,592,000. Evidence is never verified with collateral that has ended.
/// @param platforms The machines (`Claims.hwId`) that may run the image; empty: any. At most 64.
/// @param advisories Names of the vendor's advisories that may be open, each of 1 to 32 printable
///        ASCII characters but `"`; empty: none may. At most 64.
struct Requirements {
    uint32 maxAge_s;
    uint16 tcbStatuses;
    uint32 minEvaluationNumber;
    uint32 recoveryGrace_s;
    uint32 collateralGrace_s;
    bytes32[] platforms;
    string[] advisories;
}

/// @title An image that governance approves, with what an auditor needs to rebuild it
/// @param imageId What a verifier derives from the measurements; see `Claims.imageId`.
/// @param tee Platform the image runs on, 1 to 8 as in `Claims.tee`.
/// @param source Where the source is published; 1 to 256 bytes.
/// @param commit Commit of that source.
/// @param buildDigest Digest of the build's output, so that a rebuild can be compared.
/// @param requirements What its signers must meet.
struct ImageApproval {
    bytes32 imageId;
    uint8 tee;
    string source;
    bytes20 commit;
    bytes32 buildDigest;
    Requirements requirements;
}

/// @title What the policy keeps of an image
/// @dev All zeros for an image that was never approved.
/// @param index Position in the order of approval, from 1 to 8,191.
/// @param tee Platform, 1 to 8.
/// @param live Approved and not withdrawn.
/// @param hasPlatforms Only certain machines may run it.
/// @param hasAdvisories Certain advisories may be open.
/// @param tcbStatuses As in `Requirements`, like all that follow but the last.
/// @param version How many times the requirements were changed.
struct ImageInfo {
    uint16 index;
    uint8 tee;
    bool live;
    bool hasPlatforms;
    bool hasAdvisories;
    uint16 tcbStatuses;
    uint32 maxAge_s;
    uint32 minEvaluationNumber;
    uint32 recoveryGrace_s;
    uint32 collateralGrace_s;
    uint32 version;
}

/// @title What the policy says of claims
/// @param index The image's; 0 if it was never approved.
/// @param maxAge_s Longest life of a registration of the image, in seconds.
/// @param until First moment, in seconds since the epoch, at which these claims are no longer
///        enough. Meaningless when they are refused.
/// @param cause What that end is of: `LifeCause` CERTIFICATE, COLLATERAL or RECOVERY.
/// @param isFinal The claims are refused, and no other collateral that the policy takes now could
///        turn it: the image or the machine is refused, or the status or an advisory under the
///        lowest evaluation number that is still taken.
/// @param refusal ABI-encoded error of this interface; empty when the claims are accepted.
struct Appraisal {
    uint16 index;
    uint32 maxAge_s;
    uint64 until;
    uint8 cause;
    bool isFinal;
    bytes refusal;
}

/// @title Which enclave images may sign, and on which platforms
/// @notice An image is approved under the delay of governance and withdrawn at once and for good.
/// @dev Nothing is approved by default, and no rule can be switched off. A withdrawn image stops
///      every signer of it: the registry and the hubs are told in the withdrawing transaction.
interface IImagePolicy is IGoverned {
    /// @notice An image was approved. `source`, `commit` and `buildDigest` say how to rebuild it.
    event ImageApproved(
        bytes32 indexed imageId,
        uint16 indexed index,
        uint8 tee,
        string source,
        bytes20 commit,
        bytes32 buildDigest,
        Requirements requirements
    );

    /// @notice The requirements of an image were replaced.
    event ImageRequirementsChanged(
        bytes32 indexed imageId, uint16 indexed index, uint32 version, Requirements requirements
    );

    /// @notice An image was withdrawn, for good.
    event ImageWithdrawn(bytes32 indexed imageId, uint16 indexed index, address by);

    /// @notice The image has been approved before, whether or not it still lives; an id is never
    ///         approved twice.
    error ImagePolicy_KnownImage(bytes32 seen);

    /// @notice The zero id is no image.
    error ImagePolicy_ZeroImage();

    /// @notice The platform number is outside 1 to `wantedMax`.
    error ImagePolicy_UnknownTee(uint8 seen, uint8 wantedMax);

    /// @notice The longest life is outside `wantedMin` to `wantedMax` seconds.
    error ImagePolicy_MaxAgeOutOfRange(uint32 seen, uint32 wantedMin, uint32 wantedMax);

    /// @notice No status is accepted, or one that never is for this platform; see `Requirements`.
    error ImagePolicy_StatusesOutOfRange(uint16 seen, uint16 wantedMask);

    /// @notice A registration may not outlive its collateral by that many seconds.
    error ImagePolicy_CollateralGraceTooLong(uint32 seen, uint32 wantedMax);

    /// @notice More machines are listed than `wantedMax`.
    error ImagePolicy_TooManyPlatforms(uint256 seen, uint256 wantedMax);

    /// @notice More advisories are listed than `wantedMax`.
    error ImagePolicy_TooManyAdvisories(uint256 seen, uint256 wantedMax);

    /// @notice The name of an advisory is empty or longer than `wantedMax` bytes.
    error ImagePolicy_AdvisoryLength(uint256 seen, uint256 wantedMax);

    /// @notice A character of an advisory's name is not printable ASCII, or is `"`.
    error ImagePolicy_AdvisoryCharacter(bytes1 seen);

    /// @notice The source locator is empty or longer than `wantedMax` bytes.
    error ImagePolicy_SourceLength(uint256 seen, uint256 wantedMax);

    /// @notice An approval without a commit or without a build digest cannot be audited.
    error ImagePolicy_NoProvenance(bytes20 commit, bytes32 buildDigest);

    /// @notice All 8,191 indexes are used.
    error ImagePolicy_Full();

    /// @notice The image is not live: never approved, or withdrawn.
    error ImagePolicy_NotLive(bytes32 seen);

    /// @notice Only governance or the guardian may withdraw.
    error ImagePolicy_MayNotWithdraw(address seen);

    /// @notice The guardian withdraws at most one image a day; its next turn is at `wanted`.
    error ImagePolicy_GuardianTooSoon(uint256 seen, uint256 wanted);

    /// @notice The signer set or the registry fixed at construction is the zero address.
    error ImagePolicy_ZeroAddress();

    /// @notice The claims are of another platform than the image is approved for.
    error ImagePolicy_ImageForTee(uint8 seen, uint8 wanted);

    /// @notice The image may not run on this machine.
    error ImagePolicy_PlatformNotAllowed(bytes32 seen);

    /// @notice The collateral is of a lower evaluation number.
    error ImagePolicy_NumberTooLow(uint32 seen, uint32 wantedMin);

    /// @notice It was not shown whether the vendor has made a higher evaluation number public.
    error ImagePolicy_NumberNotShown(uint32 seen);

    /// @notice A higher evaluation number is public, and the grace for this one is over since
    ///         `seen`.
    error ImagePolicy_RecoveryGraceOver(uint256 seen, uint256 wantedAbove);

    /// @notice What the claims stand on ended at `seen`; `cause` is a `LifeCause`.
    error ImagePolicy_Ended(uint8 cause, uint256 seen, uint256 wantedAbove);

    /// @notice The status of the platform's trusted computing base is not accepted.
    /// @param wantedMask Bit `1 << status` for each that is.
    error ImagePolicy_StatusNotAccepted(uint8 seen, uint16 wantedMask);

    /// @notice An advisory is open that may not be.
    error ImagePolicy_AdvisoryNotAccepted(string seen);

    /// @notice The list of open advisories is not `"NAME","NAME"`; the first fault is at byte
    ///         `offset`.
    error ImagePolicy_AdvisoriesMalformed(uint256 offset);

    /// @notice Approve an image. Reached only through the delay of governance.
    /// @param approval The image, its provenance and its requirements.
    function approveImage(ImageApproval calldata approval) external;

    /// @notice Replace the requirements of an image. Reached only through the delay of governance.
    /// @dev Counts for registrations and re-checks from then on. Signers that no longer meet them
    ///      stay until they end or anyone has them re-checked.
    /// @param imageId A live image.
    /// @param requirements All of them.
    function changeRequirements(bytes32 imageId, Requirements calldata requirements) external;

    /// @notice Withdraw an image at once and for good. Governance any, the guardian at most one a
    ///         day.
    /// @dev Tells the registry and clears the hubs in the same transaction, so that every signer of
    ///      the image is invalid, and reports fail, from the next one on.
    /// @param imageId A live image.
    function withdrawImage(bytes32 imageId) external;

    /// @notice Compare claims with the requirements of their image.
    /// @dev Trusts the claims: a verifier must have made them now. A refusal of the policy is
    ///      returned, never thrown.
    /// @param claims What a verifier says.
    /// @return What the policy says of them, at this block's time.
    function appraise(Claims calldata claims) external view returns (Appraisal memory);

    /// @notice What the policy keeps of an image.
    /// @param imageId Any id.
    /// @return All zeros for an image that was never approved.
    function image(bytes32 imageId) external view returns (ImageInfo memory);

    /// @notice The image approved as number `index`.
    /// @param index From 1 in the order of approval.
    /// @return imageId Zero for an index that is not used.
    /// @return info What the policy keeps of it.
    function imageAt(uint16 index) external view returns (bytes32 imageId, ImageInfo memory info);

    /// @notice The registry that is told of withdrawals.
    /// @return Fixed at construction.
    function registry() external view returns (address);
}
