// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationRegistry} from "contracts/interfaces/IAttestationRegistry.sol";
import {IGoverned} from "contracts/interfaces/IGoverned.sol";
import {
    IImagePolicy,
    ImageApproval,
    ImageInfo,
    Requirements
} from "contracts/interfaces/IImagePolicy.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {TcbStatus} from "contracts/types/TcbStatus.sol";
import {TeeKind} from "contracts/types/Tee.sol";
import {Deploy} from "./Deploy.sol";
import {CountingRegistry} from "./fakes/CountingRegistry.sol";
import {CountingSignerSet} from "./fakes/CountingSignerSet.sol";
import {Test} from "./Vm.sol";

/// @notice A policy, and approvals for it.
abstract contract ImagePolicySetup is Test {
    address internal constant GUARDIAN = address(0x6a);
    bytes32 internal constant IMAGE = keccak256("an image");

    CountingSignerSet internal signerSet;
    CountingRegistry internal registry;
    IImagePolicy internal policy;

    function setUp() public virtual {
        vm.warp(1_900_000_000);
        signerSet = new CountingSignerSet();
        registry = new CountingRegistry();
        policy = deploy(0);
    }

    function deploy(uint256 minDelay_s) internal returns (IImagePolicy) {
        return Deploy.imagePolicy(
            address(this),
            GUARDIAN,
            minDelay_s,
            ISignerSet(address(signerSet)),
            IAttestationRegistry(address(registry))
        );
    }

    function sound(bytes32 imageId) internal pure returns (ImageApproval memory) {
        return ImageApproval({
            imageId: imageId,
            tee: TeeKind.TDX,
            source: "https://example.org/oracle",
            commit: bytes20(uint160(0xc0ffee)),
            buildDigest: keccak256("build"),
            requirements: requirementsOf(7 days)
        });
    }

    function requirementsOf(uint32 maxAge_s) internal pure returns (Requirements memory r) {
        r.maxAge_s = maxAge_s;
        r.tcbStatuses = uint16(1 << TcbStatus.UP_TO_DATE);
        r.minEvaluationNumber = 17;
        r.recoveryGrace_s = 14 days;
        r.collateralGrace_s = 2 days;
    }

    function listed(uint256 platforms, uint256 advisories)
        internal
        pure
        returns (Requirements memory r)
    {
        r = requirementsOf(7 days);
        r.platforms = new bytes32[](platforms);
        for (uint256 i; i < platforms; ++i) {
            r.platforms[i] = keccak256(abi.encode("machine", i));
        }
        r.advisories = new string[](advisories);
        for (uint256 i; i < advisories; ++i) {
            r.advisories[i] = string.concat("INTEL-SA-", vm.toString(i));
        }
    }

    function approve(ImageApproval memory approval) internal {
        govern(abi.encodeCall(IImagePolicy.approveImage, (approval)));
    }

    function change(bytes32 imageId, Requirements memory r) internal {
        govern(abi.encodeCall(IImagePolicy.changeRequirements, (imageId, r)));
    }

    function govern(bytes memory call) internal {
        policy.propose(call);
        policy.execute(call);
    }

    function refuse(ImageApproval memory approval, bytes memory reason) internal {
        refuseCall(abi.encodeCall(IImagePolicy.approveImage, (approval)), reason);
    }

    function refuseCall(bytes memory call, bytes memory reason) internal {
        policy.propose(call);
        vm.expectRevert(reason);
        policy.execute(call);
        policy.cancel(keccak256(call));
    }
}

contract ImagePolicyTest is ImagePolicySetup {
    function test_approveImage_MakesItLive() external {
        approve(sound(IMAGE));
        ImageInfo memory info = policy.image(IMAGE);
        assertEq(info.index, 1, "index");
        assertEq(info.tee, TeeKind.TDX, "TEE");
        assertTrue(info.live, "live");
        assertEq(info.maxAge_s, 7 days, "age");
        assertEq(info.tcbStatuses, 2, "statuses");
        assertEq(info.minEvaluationNumber, 17, "number");
        assertEq(info.recoveryGrace_s, 14 days, "recovery");
        assertEq(info.collateralGrace_s, 2 days, "collateral");
        assertEq(info.version, 0, "version");
        assertTrue(!info.hasPlatforms && !info.hasAdvisories, "lists");
    }

    function test_imageAt_CountsUpFromOne() external {
        approve(sound(IMAGE));
        approve(sound(keccak256("another")));
        assertEq(policy.image(keccak256("another")).index, 2, "index");
        for (uint16 index = 1; index < 3; ++index) {
            (bytes32 imageId, ImageInfo memory info) = policy.imageAt(index);
            assertEq(imageId, index == 1 ? IMAGE : keccak256("another"), "id");
            assertEq(info.index, index, "index");
        }
        uint16[2] memory unused = [uint16(0), 3];
        for (uint256 i; i < 2; ++i) {
            (bytes32 imageId, ImageInfo memory info) = policy.imageAt(unused[i]);
            assertEq(imageId, bytes32(0), "unused");
            assertTrue(!info.live, "unused");
        }
    }

    function test_approveImage_PublishesAll() external {
        ImageApproval memory a = sound(IMAGE);
        a.requirements = listed(2, 3);
        bytes memory call = abi.encodeCall(IImagePolicy.approveImage, (a));
        policy.propose(call);
        vm.expectEmit();
        emit IImagePolicy.ImageApproved(
            IMAGE, 1, a.tee, a.source, a.commit, a.buildDigest, a.requirements
        );
        policy.execute(call);
        ImageInfo memory info = policy.image(IMAGE);
        assertTrue(info.hasPlatforms && info.hasAdvisories, "lists");
    }

    function test_approveImage_TakesTheLongestLists() external {
        ImageApproval memory a = sound(IMAGE);
        a.requirements = listed(64, 64);
        approve(a);
        assertTrue(policy.image(IMAGE).live, "live");
    }

    function test_image_IsNotLiveByDefault() external view {
        ImageInfo memory info = policy.image(IMAGE);
        assertEq(keccak256(abi.encode(info)), keccak256(new bytes(11 * 32)), "nothing is approved");
    }

    function test_approveImage_RevertWhen_CalledDirectly() external {
        vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_NotSelf.selector, address(this)));
        policy.approveImage(sound(IMAGE));
    }

    function test_approveImage_RevertWhen_DelayIsNotOver() external {
        IImagePolicy slow = deploy(2 days);
        bytes memory call = abi.encodeCall(IImagePolicy.approveImage, (sound(IMAGE)));
        slow.propose(call);
        vm.warp(block.timestamp + 2 days - 1);
        vm.expectPartialRevert(IGoverned.Governed_TooEarly.selector);
        slow.execute(call);
        vm.warp(block.timestamp + 1);
        slow.execute(call);
        assertTrue(slow.image(IMAGE).live, "live after the delay");
    }

    /// @dev 48 hours, wherever nobody develops.
    function test_constructor_RevertWhen_DelayIsUnderTwoDaysOffLocalChains() external {
        vm.chainId(1);
        vm.expectRevert(
            abi.encodeWithSelector(IGoverned.Governed_DelayTooShort.selector, 2 days - 1, 2 days)
        );
        deploy(2 days - 1);
        assertEq(deploy(2 days).minDelay(), 2 days, "the shortest");
    }

    function test_approveImage_RevertWhen_ImageIsLiveAlready() external {
        approve(sound(IMAGE));
        refuse(
            sound(IMAGE),
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_KnownImage.selector, IMAGE)
        );
    }

    function test_approveImage_RevertWhen_EveryIndexIsTaken() external {
        // Behind the three slots of Governed lies the count of images: one index is left.
        vm.store(address(policy), bytes32(uint256(3)), bytes32(uint256(8190)));
        approve(sound(IMAGE));
        assertEq(policy.image(IMAGE).index, 8191, "the last index");
        refuse(
            sound(keccak256("another")),
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_Full.selector)
        );
    }

    function test_approveImage_RevertWhen_ImageWasWithdrawn() external {
        approve(sound(IMAGE));
        policy.withdrawImage(IMAGE);
        refuse(
            sound(IMAGE),
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_KnownImage.selector, IMAGE)
        );
    }

    function test_approveImage_RevertWhen_IdIsZero() external {
        refuse(sound(0), abi.encodeWithSelector(IImagePolicy.ImagePolicy_ZeroImage.selector));
    }

    function test_approveImage_RevertWhen_TeeIsUnknown() external {
        ImageApproval memory approval = sound(IMAGE);
        for (uint8 tee; tee < 10; tee += 9) {
            approval.tee = tee;
            refuse(
                approval,
                abi.encodeWithSelector(IImagePolicy.ImagePolicy_UnknownTee.selector, tee, 8)
            );
        }
    }

    function test_approveImage_RevertWhen_SourceIsEmptyOrLong() external {
        ImageApproval memory approval = sound(IMAGE);
        uint256[2] memory lengths = [uint256(0), 257];
        for (uint256 i; i < 2; ++i) {
            approval.source = string(new bytes(lengths[i]));
            refuse(
                approval,
                abi.encodeWithSelector(
                    IImagePolicy.ImagePolicy_SourceLength.selector, lengths[i], 256
                )
            );
        }
    }

    function test_approveImage_RevertWhen_ProvenanceIsMissing() external {
        ImageApproval memory approval = sound(IMAGE);
        approval.commit = 0;
        refuseProvenance(approval);
        approval = sound(IMAGE);
        approval.buildDigest = 0;
        refuseProvenance(approval);
    }

    function test_withdrawImage_EndsItForGoodAndTellsRegistryAndHubs() external {
        approve(sound(keccak256("another")));
        approve(sound(IMAGE));
        vm.expectEmit();
        emit IImagePolicy.ImageWithdrawn(IMAGE, 2, address(this));
        policy.withdrawImage(IMAGE);
        assertTrue(!policy.image(IMAGE).live, "not live");
        assertEq(policy.image(IMAGE).index, 2, "still known");
        assertEq(signerSet.cleared(), 1, "hubs cleared");
        assertEq(signerSet.by(), address(policy), "cleared by the policy");
        assertEq(registry.told(), 1, "registry told");
        assertEq(registry.index(), 2, "of the image");
        assertEq(registry.by(), address(policy), "told by the policy");
    }

    function test_withdrawImage_LetsTheGuardianDoOneADay() external {
        bytes32 another = keccak256("another");
        approve(sound(IMAGE));
        approve(sound(another));
        vm.prank(GUARDIAN);
        policy.withdrawImage(IMAGE);
        uint256 next = block.timestamp + 1 days;
        vm.warp(next - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IImagePolicy.ImagePolicy_GuardianTooSoon.selector, next - 1, next
            )
        );
        vm.prank(GUARDIAN);
        policy.withdrawImage(another);
        vm.warp(next);
        vm.prank(GUARDIAN);
        policy.withdrawImage(another);
        assertTrue(!policy.image(another).live, "withdrawn on the next day");
    }

    function test_withdrawImage_LetsGovernanceDoAnyNumber() external {
        bytes32 another = keccak256("another");
        approve(sound(IMAGE));
        approve(sound(another));
        policy.withdrawImage(IMAGE);
        policy.withdrawImage(another);
        assertTrue(!policy.image(IMAGE).live && !policy.image(another).live, "both withdrawn");
    }

    function test_withdrawImage_RevertWhen_CallerIsAnyoneElse() external {
        approve(sound(IMAGE));
        vm.expectRevert(
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_MayNotWithdraw.selector, address(0xbad))
        );
        vm.prank(address(0xbad));
        policy.withdrawImage(IMAGE);
    }

    function test_withdrawImage_RevertWhen_ImageIsNotLive() external {
        bytes memory reason =
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_NotLive.selector, IMAGE);
        vm.expectRevert(reason);
        policy.withdrawImage(IMAGE);
        approve(sound(IMAGE));
        policy.withdrawImage(IMAGE);
        vm.expectRevert(reason);
        policy.withdrawImage(IMAGE);
    }

    function test_constructor_RevertWhen_AContractIsZero() external {
        ISignerSet set = ISignerSet(address(signerSet));
        vm.expectRevert(IImagePolicy.ImagePolicy_ZeroAddress.selector);
        Deploy.imagePolicy(address(this), GUARDIAN, 0, set, IAttestationRegistry(address(0)));
        IAttestationRegistry told = IAttestationRegistry(address(registry));
        vm.expectRevert(IImagePolicy.ImagePolicy_ZeroAddress.selector);
        Deploy.imagePolicy(address(this), GUARDIAN, 0, ISignerSet(address(0)), told);
    }

    function test_constructor_KeepsItsArguments() external view {
        assertEq(policy.registry(), address(registry), "registry");
        assertEq(policy.governance(), address(this), "governance");
        assertEq(policy.guardian(), GUARDIAN, "guardian");
    }

    /// @dev Once withdrawn, no sequence of proposals brings an image back.
    function testFuzz_approveImage_RevertWhen_ImageWasWithdrawn(
        bytes32 imageId,
        uint8 tee,
        uint32 maxAge_s
    ) external {
        vm.assume(imageId != 0);
        approve(sound(imageId));
        policy.withdrawImage(imageId);
        ImageApproval memory again = sound(imageId);
        again.tee = uint8(bound(tee, 1, 8));
        again.requirements.maxAge_s = uint32(bound(maxAge_s, 64, 365 days));
        refuse(again, abi.encodeWithSelector(IImagePolicy.ImagePolicy_KnownImage.selector, imageId));
        assertTrue(!policy.image(imageId).live, "not live");
    }

    function refuseProvenance(ImageApproval memory approval) private {
        refuse(
            approval,
            abi.encodeWithSelector(
                IImagePolicy.ImagePolicy_NoProvenance.selector,
                approval.commit,
                approval.buildDigest
            )
        );
    }
}
