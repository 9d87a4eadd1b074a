// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {
    Appraisal,
    IImagePolicy,
    ImageApproval,
    Requirements
} from "contracts/interfaces/IImagePolicy.sol";
import {LifeCause} from "contracts/types/LifeCause.sol";
import {TcbStatus} from "contracts/types/TcbStatus.sol";
import {TeeKind} from "contracts/types/Tee.sol";
import {ImagePolicySetup} from "./ImagePolicy.t.sol";

/// @notice Claims, held to the requirements of their image.
contract ImagePolicyAppraisalTest is ImagePolicySetup {
    uint64 private constant FOREVER = type(uint64).max;
    uint16 private constant ALL_STATUSES = 0x37E;

    function setUp() public override {
        super.setUp();
        approve(sound(IMAGE));
    }

    function test_appraise_Accepts() external view {
        Appraisal memory a = policy.appraise(claimsOf());
        assertEq(a.refusal, "", "refusal");
        assertEq(a.index, 1, "index");
        assertEq(a.maxAge_s, 7 days, "age");
        assertEq(a.until, block.timestamp + 30 days, "end");
        assertEq(a.cause, LifeCause.CERTIFICATE, "cause");
        assertTrue(!a.isFinal, "no refusal is final");
    }

    function test_appraise_ReadsOneStorageSlot() external {
        Claims memory claims = claimsOf();
        vm.record();
        policy.appraise(claims);
        (bytes32[] memory reads,) = vm.accesses(address(policy));
        for (uint256 i = 1; i < reads.length; ++i) {
            assertEq(reads[i], reads[0], "another slot");
        }
    }

    function test_appraise_EndsWithWhatEndsFirst() external view {
        Claims memory claims = claimsOf();
        claims.collateralUntil = uint64(block.timestamp + 28 days - 1);
        ends(claims, block.timestamp + 30 days - 1, LifeCause.COLLATERAL);
        claims.supersededAt = uint64(block.timestamp + 16 days - 2);
        ends(claims, block.timestamp + 30 days - 2, LifeCause.RECOVERY);
        claims.notAfter = uint64(block.timestamp + 30 days - 3);
        ends(claims, block.timestamp + 30 days - 3, LifeCause.CERTIFICATE);
    }

    function test_appraise_CountsTheGraces() external {
        Requirements memory r = requirementsOf(7 days);
        r.collateralGrace_s = 0;
        r.recoveryGrace_s = 0;
        change(IMAGE, r);
        Claims memory claims = claimsOf();
        claims.collateralUntil = uint64(block.timestamp + 5);
        ends(claims, block.timestamp + 5, LifeCause.COLLATERAL);
        claims.supersededAt = uint64(block.timestamp + 4);
        ends(claims, block.timestamp + 4, LifeCause.RECOVERY);
    }

    /// @dev A vendor without collateral ends nothing, whatever is added to the greatest number.
    function test_appraise_DoesNotOverflow() external view {
        Claims memory claims = claimsOf();
        claims.notAfter = claims.collateralUntil = claims.supersededAt = FOREVER;
        claims.publicSince = FOREVER;
        ends(claims, FOREVER, LifeCause.CERTIFICATE);
        claims.collateralUntil = FOREVER - 2 days - 1;
        ends(claims, FOREVER - 1, LifeCause.COLLATERAL);
    }

    /// @dev Every end alone; what the policy says is the earliest, and it alone is the cause.
    function testFuzz_appraise_EndsWithTheEarliest(
        uint64 notAfter,
        uint64 collateralUntil,
        uint64 supersededAt
    ) external view {
        Claims memory claims = claimsOf();
        claims.notAfter = uint64(bound(notAfter, block.timestamp + 1, FOREVER));
        claims.collateralUntil = uint64(bound(collateralUntil, block.timestamp, FOREVER));
        claims.supersededAt = uint64(bound(supersededAt, block.timestamp, FOREVER));
        uint256[3] memory wanted = [
            uint256(claims.notAfter),
            uint256(claims.collateralUntil) + 2 days,
            uint256(claims.supersededAt) + 14 days
        ];
        Appraisal memory a = policy.appraise(claims);
        assertEq(a.refusal, "", "refusal");
        for (uint256 i; i < 3; ++i) {
            assertLe(a.until, wanted[i], "end");
        }
        assertEq(a.until, wanted[a.cause - LifeCause.CERTIFICATE], "cause");
    }

    function test_appraise_Refuses_ImageThatIsNotApproved() external view {
        Claims memory claims = claimsOf();
        claims.imageId = keccak256("another");
        bytes memory reason =
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_NotLive.selector, claims.imageId);
        refuses(claims, reason, true);
        assertEq(policy.appraise(claims).index, 0, "index");
    }

    function test_appraise_Refuses_WithdrawnImage() external {
        policy.withdrawImage(IMAGE);
        bytes memory reason =
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_NotLive.selector, IMAGE);
        refuses(claimsOf(), reason, true);
        assertEq(policy.appraise(claimsOf()).index, 1, "index");
    }

    function test_appraise_Refuses_AnotherTee() external view {
        Claims memory claims = claimsOf();
        claims.tee = TeeKind.SGX;
        bytes memory reason = abi.encodeWithSelector(
            IImagePolicy.ImagePolicy_ImageForTee.selector, TeeKind.SGX, TeeKind.TDX
        );
        refuses(claims, reason, true);
    }

    function test_appraise_Refuses_MachineThatIsNotListed() external {
        Claims memory claims = claimsOf();
        change(IMAGE, listed(2, 0));
        bytes memory reason = abi.encodeWithSelector(
            IImagePolicy.ImagePolicy_PlatformNotAllowed.selector, claims.hwId
        );
        refuses(claims, reason, true);
        claims.hwId = keccak256(abi.encode("machine", 1));
        assertEq(policy.appraise(claims).refusal, "", "listed");
        // What is not listed any more is not allowed any more.
        change(IMAGE, listed(1, 0));
        reason = abi.encodeWithSelector(
            IImagePolicy.ImagePolicy_PlatformNotAllowed.selector, claims.hwId
        );
        refuses(claims, reason, true);
    }

    /// @dev The list of one image says nothing of another's.
    function test_appraise_Refuses_MachineThatIsListedForAnotherImage() external {
        ImageApproval memory another = sound(keccak256("another"));
        another.requirements = listed(2, 0);
        approve(another);
        Requirements memory r = listed(3, 0);
        r.platforms[0] = r.platforms[1] = r.platforms[2];
        change(IMAGE, r);
        Claims memory claims = claimsOf();
        claims.hwId = keccak256(abi.encode("machine", 1));
        assertTrue(policy.appraise(claims).refusal.length != 0, "of another image");
        claims.imageId = another.imageId;
        assertEq(policy.appraise(claims).refusal, "", "of this image");
    }

    function test_appraise_Refuses_NumberBelowTheMinimum() external view {
        Claims memory claims = claimsOf();
        claims.evaluationNumber = 16;
        bytes memory reason =
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_NumberTooLow.selector, 16, 17);
        refuses(claims, reason, false);
    }

    function test_appraise_Refuses_NumberThatWasNotShown() external {
        Claims memory claims = claimsOf();
        claims.supersededAt = 0;
        bytes memory reason =
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_NumberNotShown.selector, 17);
        refuses(claims, reason, false);
        Requirements memory r = requirementsOf(7 days);
        r.recoveryGrace_s = type(uint32).max;
        change(IMAGE, r);
        ends(claims, claims.notAfter, LifeCause.CERTIFICATE);
    }

    function test_appraise_Refuses_NumberWhoseGraceIsOver() external {
        Claims memory claims = claimsOf();
        claims.supersededAt = uint64(block.timestamp - 14 days + 1);
        ends(claims, block.timestamp + 1, LifeCause.RECOVERY);
        --claims.supersededAt;
        bytes memory reason = abi.encodeWithSelector(
            IImagePolicy.ImagePolicy_RecoveryGraceOver.selector, block.timestamp, block.timestamp
        );
        refuses(claims, reason, false);
        Requirements memory r = requirementsOf(7 days);
        r.recoveryGrace_s = type(uint32).max;
        change(IMAGE, r);
        ends(claims, claims.notAfter, LifeCause.CERTIFICATE);
    }

    function test_appraise_Refuses_WhatHasEnded() external view {
        Claims memory claims = claimsOf();
        claims.notAfter = uint64(block.timestamp);
        refuses(claims, ended(LifeCause.CERTIFICATE), false);
        claims = claimsOf();
        claims.collateralUntil = uint64(block.timestamp - 2 days);
        refuses(claims, ended(LifeCause.COLLATERAL), false);
        ++claims.collateralUntil;
        ends(claims, block.timestamp + 1, LifeCause.COLLATERAL);
    }

    /// @dev Each status against each policy that takes exactly one.
    function test_appraise_Refuses_EveryStatusThatIsNotAccepted() external {
        Requirements memory r = requirementsOf(7 days);
        Claims memory claims = claimsOf();
        for (uint8 accepted = 1; accepted < 10; ++accepted) {
            if (accepted == TcbStatus.REVOKED) continue;
            r.tcbStatuses = uint16(1) << accepted;
            change(IMAGE, r);
            for (uint16 status; status < 256; status += status < 20 ? 1 : 59) {
                claims.tcbStatus = uint8(status);
                bytes memory reason = abi.encodeWithSelector(
                    IImagePolicy.ImagePolicy_StatusNotAccepted.selector, status, r.tcbStatuses
                );
                bytes memory wanted = status == accepted ? bytes("") : reason;
                assertEq(policy.appraise(claims).refusal, wanted, "status");
            }
        }
    }

    function test_appraise_NeverAcceptsARevokedPlatform() external {
        Requirements memory r = requirementsOf(7 days);
        r.tcbStatuses = ALL_STATUSES;
        change(IMAGE, r);
        Claims memory claims = claimsOf();
        claims.tcbStatus = TcbStatus.REVOKED;
        bytes memory reason = abi.encodeWithSelector(
            IImagePolicy.ImagePolicy_StatusNotAccepted.selector, TcbStatus.REVOKED, ALL_STATUSES
        );
        refuses(claims, reason, true);
    }

    function test_appraise_AcceptsAPlatformWithoutStatusWhereThereAreNone() external {
        ImageApproval memory nitro = sound(keccak256("nitro"));
        nitro.tee = TeeKind.NITRO;
        nitro.requirements.tcbStatuses = 1;
        nitro.requirements.minEvaluationNumber = 0;
        approve(nitro);
        Claims memory claims = claimsOf();
        claims.imageId = nitro.imageId;
        claims.tee = TeeKind.NITRO;
        claims.tcbStatus = 0;
        claims.evaluationNumber = 0;
        claims.publicSince = 0;
        claims.supersededAt = claims.collateralUntil = FOREVER;
        ends(claims, claims.notAfter, LifeCause.CERTIFICATE);
    }

    function test_appraise_AcceptsListedAdvisories() external {
        change(IMAGE, listed(0, 12));
        string[4] memory lists = [
            "\"INTEL-SA-0\"",
            "\"INTEL-SA-11\"",
            "\"INTEL-SA-3\",\"INTEL-SA-0\",\"INTEL-SA-11\"",
            "\"INTEL-SA-3\",\"INTEL-SA-3\""
        ];
        Claims memory claims = claimsOf();
        for (uint256 i; i < 4; ++i) {
            claims.advisories = bytes(lists[i]);
            assertEq(policy.appraise(claims).refusal, "", lists[i]);
        }
    }

    function test_appraise_Refuses_AdvisoriesThatAreNotListed() external {
        Claims memory claims = claimsOf();
        refusesAdvisory(claims, "\"INTEL-SA-0\"", "INTEL-SA-0");
        change(IMAGE, listed(0, 2));
        refusesAdvisory(claims, "\"INTEL-SA-2\"", "INTEL-SA-2");
        refusesAdvisory(claims, "\"INTEL-SA-0\",\"INTEL-SA-2\",\"x\"", "INTEL-SA-2");
        refusesAdvisory(claims, "\"INTEL-SA-00\"", "INTEL-SA-00");
        refusesAdvisory(claims, "\"INTEL-SA-\"", "INTEL-SA-");
        refusesAdvisory(claims, "\" INTEL-SA-0\"", " INTEL-SA-0");
        refusesAdvisory(claims, "\"INTEL-SA-0,INTEL-SA-1\"", "INTEL-SA-0,INTEL-SA-1");
        // What is not listed any more is not accepted any more.
        change(IMAGE, listed(0, 1));
        refusesAdvisory(claims, "\"INTEL-SA-0\",\"INTEL-SA-1\"", "INTEL-SA-1");
    }

    function test_appraise_Refuses_MalformedAdvisories() external {
        change(IMAGE, listed(0, 1));
        refusesMalformed("INTEL-SA-0", 0);
        refusesMalformed(" \"INTEL-SA-0\"", 0);
        refusesMalformed(",", 0);
        refusesMalformed("\"\"", 1);
        refusesMalformed("\"", 1);
        refusesMalformed("\"INTEL-SA-0", 11);
        refusesMalformed("\"INTEL-SA-0\" ", 12);
        refusesMalformed("\"INTEL-SA-0\",", 13);
        refusesMalformed("\"INTEL-SA-0\"\"INTEL-SA-0\"", 12);
        refusesMalformed("\"INTEL-SA-0\",,\"INTEL-SA-0\"", 13);
        refusesMalformed("\"INTEL-SA-0\", \"INTEL-SA-0\"", 13);
        refusesMalformed("\"INTEL-SA-0\",\"INTEL-SA-0\",", 26);
    }

    /// @dev Accepted is exactly the list that this builds, whatever is done to a byte of it.
    function testFuzz_appraise_TakesNoListThatIsNotWellFormed(uint256 place, bytes1 other)
        external
    {
        change(IMAGE, listed(0, 3));
        Claims memory claims = claimsOf();
        claims.advisories = "\"INTEL-SA-0\",\"INTEL-SA-1\",\"INTEL-SA-2\"";
        place = bound(place, 0, claims.advisories.length - 1);
        bytes1 was = claims.advisories[place];
        claims.advisories[place] = other;
        bool isDigit = place % 13 == 10 && other >= "0" && other <= "2";
        bool isAccepted = policy.appraise(claims).refusal.length == 0;
        assertTrue(isAccepted == (was == other || isDigit), "accepted");
    }

    function test_appraise_TakesAHugeListWithoutFailing() external {
        change(IMAGE, listed(0, 1));
        Claims memory claims = claimsOf();
        bytes memory list = "\"INTEL-SA-0\"";
        for (uint256 i; i < 9; ++i) {
            list = bytes.concat(list, ",", list);
        }
        claims.advisories = list;
        uint256 before = gasleft();
        assertEq(policy.appraise(claims).refusal, "", "512 names");
        assertLe(before - gasleft(), 4_000_000, "gas");
        claims.advisories = bytes.concat(list, new bytes(10_000));
        assertTrue(policy.appraise(claims).refusal.length != 0, "zeros");
    }

    // --- Which refusals are final: no other collateral could turn them ---

    function test_appraise_RefusalIsFinal_UnderTheLowestNumberByPolicy() external view {
        Claims memory claims = outOfDate();
        // Public since yesterday, so that the one before would be in its grace; but it is too low.
        claims.publicSince = uint64(block.timestamp - 1 days);
        assertTrue(policy.appraise(claims).isFinal, "lowest");
        claims.evaluationNumber = 18;
        assertTrue(!policy.appraise(claims).isFinal, "17 is still taken");
    }

    function test_appraise_RefusalIsFinal_OnceTheGraceOfTheNumberBeforeIsOver() external view {
        Claims memory claims = outOfDate();
        claims.evaluationNumber = 18;
        claims.publicSince = uint64(block.timestamp - 14 days + 1);
        assertTrue(!policy.appraise(claims).isFinal, "17 is taken for another second");
        Claims memory lower = claimsOf();
        lower.supersededAt = claims.publicSince;
        assertEq(policy.appraise(lower).refusal, "", "so it is");
        --claims.publicSince;
        --lower.supersededAt;
        assertTrue(policy.appraise(claims).isFinal, "17 is not taken any more");
        assertTrue(policy.appraise(lower).refusal.length != 0, "so it is");
    }

    /// @dev Also what mixes two numbers, of which the claims have the lower.
    function test_appraise_RefusalIsNotFinal_IfTheNumberWasNotShown() external {
        Claims memory claims = outOfDate();
        claims.publicSince = 0;
        assertTrue(!policy.appraise(claims).isFinal, "not shown");
        Requirements memory r = requirementsOf(7 days);
        r.recoveryGrace_s = type(uint32).max;
        change(IMAGE, r);
        claims.supersededAt = 0;
        assertTrue(!policy.appraise(claims).isFinal, "need not be shown");
    }

    function test_appraise_RefusalIsNotFinal_IfAnyNumberIsTaken() external {
        Requirements memory r = requirementsOf(7 days);
        r.recoveryGrace_s = type(uint32).max;
        change(IMAGE, r);
        Claims memory claims = outOfDate();
        claims.evaluationNumber = 18;
        claims.publicSince = 1;
        assertTrue(!policy.appraise(claims).isFinal, "17 is taken for ever");
        claims.evaluationNumber = 17;
        assertTrue(policy.appraise(claims).isFinal, "but not 16");
    }

    function test_appraise_RefusalForAnAdvisoryIsFinal_LikeThatForAStatus() external view {
        Claims memory claims = claimsOf();
        claims.advisories = "\"INTEL-SA-0\"";
        assertTrue(policy.appraise(claims).isFinal, "lowest");
        claims.evaluationNumber = 18;
        claims.publicSince = uint64(block.timestamp - 1);
        assertTrue(!policy.appraise(claims).isFinal, "17 is still taken");
    }

    /// @dev Whatever the claims: if a refusal for status or advisory is final, then the same platform
    ///      is refused under every number that could have been shown instead.
    function testFuzz_appraise_FinalMeansThatNoLowerNumberIsTaken(
        uint32 number,
        uint64 publicSince,
        uint64 supersededAt
    ) external view {
        Claims memory claims = outOfDate();
        claims.evaluationNumber = uint32(bound(number, 15, 20));
        claims.publicSince = uint64(bound(publicSince, 0, 2 * block.timestamp));
        claims.supersededAt = uint64(bound(supersededAt, 0, 2 * block.timestamp));
        if (!policy.appraise(claims).isFinal) return;
        assertTrue(claims.evaluationNumber >= 17, "it is taken itself");
        // The most lenient that there could be: the next lower, superseded by this one.
        claims.tcbStatus = TcbStatus.UP_TO_DATE;
        assertEq(policy.appraise(claims).refusal, "", "it is taken itself");
        --claims.evaluationNumber;
        claims.supersededAt = claims.publicSince;
        assertTrue(policy.appraise(claims).refusal.length != 0, "a lower number is taken");
    }

    // --- helpers ---

    function claimsOf() private view returns (Claims memory claims) {
        claims.tee = TeeKind.TDX;
        claims.tcbStatus = TcbStatus.UP_TO_DATE;
        claims.evaluationNumber = 17;
        claims.publicSince = uint64(block.timestamp - 100 days);
        claims.supersededAt = FOREVER;
        claims.imageId = IMAGE;
        claims.hwId = keccak256("a machine");
        claims.notAfter = uint64(block.timestamp + 30 days);
        claims.collateralUntil = uint64(block.timestamp + 29 days);
    }

    function outOfDate() private view returns (Claims memory claims) {
        claims = claimsOf();
        claims.tcbStatus = TcbStatus.OUT_OF_DATE;
    }

    function ended(uint8 cause) private view returns (bytes memory) {
        return abi.encodeWithSelector(
            IImagePolicy.ImagePolicy_Ended.selector, cause, block.timestamp, block.timestamp
        );
    }

    function ends(Claims memory claims, uint256 end, uint8 cause) private view {
        Appraisal memory a = policy.appraise(claims);
        assertEq(a.refusal, "", "refusal");
        assertEq(a.until, end, "end");
        assertEq(a.cause, cause, "cause");
    }

    function refuses(Claims memory claims, bytes memory reason, bool isFinal) private view {
        Appraisal memory a = policy.appraise(claims);
        assertEq(a.refusal, reason, "refusal");
        assertTrue(a.isFinal == isFinal, "final");
    }

    function refusesAdvisory(Claims memory claims, string memory list, string memory name)
        private
        view
    {
        claims.advisories = bytes(list);
        bytes memory reason =
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_AdvisoryNotAccepted.selector, name);
        refuses(claims, reason, true);
    }

    function refusesMalformed(string memory list, uint256 offset) private view {
        Claims memory claims = claimsOf();
        claims.advisories = bytes(list);
        bytes memory reason =
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_AdvisoriesMalformed.selector, offset);
        refuses(claims, reason, true);
    }
}

/// @notice Requirements, and what may not be required.
contract ImagePolicyRequirementsTest is ImagePolicySetup {
    function test_changeRequirements_ReplacesThemAll() external {
        approve(sound(IMAGE));
        Requirements memory r = listed(1, 1);
        r.maxAge_s = 64;
        r.tcbStatuses = 0x37E;
        r.minEvaluationNumber = type(uint32).max;
        r.recoveryGrace_s = type(uint32).max - 1;
        r.collateralGrace_s = 30 days;
        bytes memory call = abi.encodeCall(IImagePolicy.changeRequirements, (IMAGE, r));
        policy.propose(call);
        vm.expectEmit();
        emit IImagePolicy.ImageRequirementsChanged(IMAGE, 1, 1, r);
        policy.execute(call);
        assertTrue(policy.image(IMAGE).hasPlatforms, "platforms");
        assertTrue(policy.image(IMAGE).hasAdvisories, "advisories");
        assertEq(policy.image(IMAGE).maxAge_s, 64, "age");
        assertEq(policy.image(IMAGE).tcbStatuses, 0x37E, "statuses");
        assertEq(policy.image(IMAGE).minEvaluationNumber, type(uint32).max, "number");
        assertEq(policy.image(IMAGE).recoveryGrace_s, type(uint32).max - 1, "recovery");
        assertEq(policy.image(IMAGE).collateralGrace_s, 30 days, "collateral");
        assertEq(policy.image(IMAGE).version, 1, "version");
        assertEq(policy.image(IMAGE).index, 1, "the same image");
        assertEq(policy.image(IMAGE).tee, TeeKind.TDX, "the same platform");
        change(IMAGE, requirementsOf(1 days));
        assertTrue(!policy.image(IMAGE).hasPlatforms, "no platforms");
        assertTrue(!policy.image(IMAGE).hasAdvisories, "no advisories");
        assertEq(policy.image(IMAGE).version, 2, "version");
    }

    function test_changeRequirements_RevertWhen_CalledDirectly() external {
        approve(sound(IMAGE));
        vm.expectPartialRevert(bytes4(keccak256("Governed_NotSelf(address)")));
        policy.changeRequirements(IMAGE, requirementsOf(1 days));
    }

    /// @dev Neither brings a withdrawn image back.
    function test_changeRequirements_RevertWhen_ImageIsNotLive() external {
        bytes memory call =
            abi.encodeCall(IImagePolicy.changeRequirements, (IMAGE, requirementsOf(1 days)));
        bytes memory reason =
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_NotLive.selector, IMAGE);
        refuseCall(call, reason);
        approve(sound(IMAGE));
        policy.withdrawImage(IMAGE);
        refuseCall(call, reason);
        assertTrue(!policy.image(IMAGE).live, "not live");
    }

    function test_requirements_RevertWhen_AgeIsOutOfRange() external {
        uint32[3] memory ages = [uint32(0), 63, 365 days + 1];
        for (uint256 i; i < 3; ++i) {
            refuseBoth(
                requirementsOf(ages[i]),
                abi.encodeWithSelector(
                    IImagePolicy.ImagePolicy_MaxAgeOutOfRange.selector, ages[i], 64, 365 days
                )
            );
        }
        change(IMAGE, requirementsOf(365 days));
        change(IMAGE, requirementsOf(64));
    }

    /// @dev None; REVOKED; what no status has; and for Intel, whom nobody asked.
    function test_requirements_RevertWhen_AStatusCanNeverBeAccepted() external {
        uint16[6] memory statuses = [uint16(0), 1 << 7 | 2, 1 << 10, 1 << 15 | 2, 1, 3];
        for (uint256 i; i < 6; ++i) {
            Requirements memory r = requirementsOf(1 days);
            r.tcbStatuses = statuses[i];
            refuseBoth(
                r,
                abi.encodeWithSelector(
                    IImagePolicy.ImagePolicy_StatusesOutOfRange.selector, statuses[i], 0x37E
                )
            );
        }
    }

    function test_requirements_RevertWhen_StatusIsNotAppraisedOnIntelAlone() external {
        for (uint8 tee = 1; tee < 9; ++tee) {
            ImageApproval memory approval = sound(keccak256(abi.encode(tee)));
            approval.tee = tee;
            approval.requirements.tcbStatuses = 1;
            if (tee > 2) {
                approve(approval);
            } else {
                refuse(
                    approval,
                    abi.encodeWithSelector(
                        IImagePolicy.ImagePolicy_StatusesOutOfRange.selector, 1, 0x37E
                    )
                );
            }
            approval.requirements.tcbStatuses = 1 << 7;
            approval.imageId = keccak256("revoked");
            refuse(
                approval,
                abi.encodeWithSelector(
                    IImagePolicy.ImagePolicy_StatusesOutOfRange.selector,
                    1 << 7,
                    tee > 2 ? 0x37F : 0x37E
                )
            );
        }
    }

    function test_requirements_RevertWhen_CollateralGraceIsOverThirtyDays() external {
        Requirements memory r = requirementsOf(1 days);
        r.collateralGrace_s = 30 days + 1;
        refuseBoth(
            r,
            abi.encodeWithSelector(
                IImagePolicy.ImagePolicy_CollateralGraceTooLong.selector, 30 days + 1, 30 days
            )
        );
    }

    function test_requirements_RevertWhen_AListIsTooLong() external {
        refuseBoth(
            listed(65, 0),
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_TooManyPlatforms.selector, 65, 64)
        );
        refuseBoth(
            listed(0, 65),
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_TooManyAdvisories.selector, 65, 64)
        );
    }

    function test_requirements_RevertWhen_AnAdvisoryIsNoName() external {
        Requirements memory r = listed(0, 2);
        uint256[2] memory lengths = [uint256(0), 33];
        for (uint256 i; i < 2; ++i) {
            r.advisories[1] = string(new bytes(lengths[i]));
            refuseBoth(
                r,
                abi.encodeWithSelector(
                    IImagePolicy.ImagePolicy_AdvisoryLength.selector, lengths[i], 32
                )
            );
        }
    }

    function test_requirements_TakesOnlyPrintableNames() external {
        approve(sound(IMAGE));
        Requirements memory r = listed(0, 1);
        for (uint256 i; i < 256; ++i) {
            bytes1 character = bytes1(uint8(i));
            r.advisories[0] = string(abi.encodePacked("SA", character));
            if (i >= 0x20 && i < 0x7F && i != 0x22) {
                change(IMAGE, r);
                continue;
            }
            refuseCall(
                abi.encodeCall(IImagePolicy.changeRequirements, (IMAGE, r)),
                abi.encodeWithSelector(
                    IImagePolicy.ImagePolicy_AdvisoryCharacter.selector, character
                )
            );
        }
    }

    /// @dev On approval and on change.
    function refuseBoth(Requirements memory r, bytes memory reason) private {
        ImageApproval memory approval = sound(keccak256("to refuse"));
        approval.requirements = r;
        refuse(approval, reason);
        if (!policy.image(IMAGE).live) approve(sound(IMAGE));
        refuseCall(abi.encodeCall(IImagePolicy.changeRequirements, (IMAGE, r)), reason);
    }
}
