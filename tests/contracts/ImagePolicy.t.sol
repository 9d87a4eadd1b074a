// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGoverned} from "contracts/interfaces/IGoverned.sol";
import {IImagePolicy, ImageApproval, ImageInfo} from "contracts/interfaces/IImagePolicy.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {TeeKind} from "contracts/types/Tee.sol";
import {Deploy} from "./Deploy.sol";
import {CountingSignerSet} from "./fakes/CountingSignerSet.sol";
import {Test} from "./Vm.sol";

contract ImagePolicyTest is Test {
    address private constant GUARDIAN = address(0x6a);
    bytes32 private constant IMAGE = keccak256("an image");

    CountingSignerSet private signerSet;
    IImagePolicy private policy;

    function setUp() external {
        vm.warp(1_900_000_000);
        signerSet = new CountingSignerSet();
        policy = Deploy.imagePolicy(address(this), GUARDIAN, 0, ISignerSet(address(signerSet)));
    }

    function test_approveImage_MakesItLive() external {
        approve(sound(IMAGE));
        ImageInfo memory info = policy.image(IMAGE);
        assertEq(info.index, 1, "index");
        assertEq(info.tee, TeeKind.TDX, "TEE");
        assertEq(info.maxAge_s, 7 days, "age");
        assertTrue(info.live, "live");
        assertTrue(policy.isLive(1), "live by index");
        assertEq(policy.imageIdAt(1), IMAGE, "id by index");
    }

    function test_approveImage_CountsUpFromOne() external {
        approve(sound(IMAGE));
        approve(sound(keccak256("another")));
        assertEq(policy.image(keccak256("another")).index, 2, "index");
        assertTrue(!policy.isLive(0) && !policy.isLive(3), "unused indexes are not live");
        assertEq(policy.imageIdAt(3), bytes32(0), "unused index");
    }

    function test_approveImage_PublishesTheProvenance() external {
        ImageApproval memory a = sound(IMAGE);
        bytes memory call = abi.encodeCall(IImagePolicy.approveImage, (a));
        policy.propose(call);
        vm.expectEmit();
        emit IImagePolicy.ImageApproved(
            IMAGE, a.tee, 1, a.maxAge_s, a.source, a.commit, a.buildDigest
        );
        policy.execute(call);
    }

    function test_image_IsNotLiveByDefault() external view {
        ImageInfo memory info = policy.image(IMAGE);
        assertTrue(!info.live && info.index == 0 && info.tee == 0, "nothing is approved");
    }

    function test_approveImage_RevertWhen_CalledDirectly() external {
        vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_NotSelf.selector, address(this)));
        policy.approveImage(sound(IMAGE));
    }

    function test_approveImage_RevertWhen_DelayIsNotOver() external {
        IImagePolicy slow =
            Deploy.imagePolicy(address(this), GUARDIAN, 2 days, ISignerSet(address(signerSet)));
        bytes memory call = abi.encodeCall(IImagePolicy.approveImage, (sound(IMAGE)));
        slow.propose(call);
        vm.warp(block.timestamp + 2 days - 1);
        vm.expectPartialRevert(IGoverned.Governed_TooEarly.selector);
        slow.execute(call);
        vm.warp(block.timestamp + 1);
        slow.execute(call);
        assertTrue(slow.isLive(1), "live after the delay");
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
        vm.store(address(policy), bytes32(uint256(3)), bytes32(uint256(type(uint24).max - 1)));
        approve(sound(IMAGE));
        assertEq(policy.image(IMAGE).index, type(uint24).max, "the last index");
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

    function test_approveImage_RevertWhen_AgeIsZeroOrOverAYear() external {
        ImageApproval memory approval = sound(IMAGE);
        uint32[2] memory ages = [uint32(0), 365 days + 1];
        for (uint256 i; i < 2; ++i) {
            approval.maxAge_s = ages[i];
            refuse(
                approval,
                abi.encodeWithSelector(
                    IImagePolicy.ImagePolicy_MaxAgeOutOfRange.selector, ages[i], 365 days
                )
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

    function test_withdrawImage_EndsItForGoodAndClearsTheHubs() external {
        approve(sound(IMAGE));
        vm.expectEmit();
        emit IImagePolicy.ImageWithdrawn(IMAGE, 1, address(this));
        policy.withdrawImage(IMAGE);
        assertTrue(!policy.isLive(1) && !policy.image(IMAGE).live, "not live");
        assertEq(policy.image(IMAGE).index, 1, "still known");
        assertEq(signerSet.cleared(), 1, "hubs cleared");
        assertEq(signerSet.by(), address(policy), "cleared by the policy");
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
        assertTrue(!policy.isLive(2), "withdrawn on the next day");
    }

    function test_withdrawImage_LetsGovernanceDoAnyNumber() external {
        bytes32 another = keccak256("another");
        approve(sound(IMAGE));
        approve(sound(another));
        policy.withdrawImage(IMAGE);
        policy.withdrawImage(another);
        assertTrue(!policy.isLive(1) && !policy.isLive(2), "both withdrawn");
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

    function test_constructor_RevertWhen_SignerSetIsZero() external {
        vm.expectRevert(IImagePolicy.ImagePolicy_NoSignerSet.selector);
        Deploy.imagePolicy(address(this), GUARDIAN, 0, ISignerSet(address(0)));
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
        again.maxAge_s = uint32(bound(maxAge_s, 1, 365 days));
        refuse(again, abi.encodeWithSelector(IImagePolicy.ImagePolicy_KnownImage.selector, imageId));
        assertTrue(!policy.image(imageId).live, "not live");
    }

    function sound(bytes32 imageId) private pure returns (ImageApproval memory) {
        return ImageApproval({
            imageId: imageId,
            tee: TeeKind.TDX,
            maxAge_s: 7 days,
            source: "https://example.org/oracle",
            commit: bytes20(uint160(0xc0ffee)),
            buildDigest: keccak256("build")
        });
    }

    function approve(ImageApproval memory approval) private {
        bytes memory call = abi.encodeCall(IImagePolicy.approveImage, (approval));
        policy.propose(call);
        policy.execute(call);
    }

    function refuse(ImageApproval memory approval, bytes memory reason) private {
        bytes memory call = abi.encodeCall(IImagePolicy.approveImage, (approval));
        policy.propose(call);
        vm.expectRevert(reason);
        policy.execute(call);
        policy.cancel(keccak256(call));
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
