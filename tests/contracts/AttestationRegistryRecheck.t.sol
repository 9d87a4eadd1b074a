// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    IAttestationRegistry,
    RecheckRequest,
    RegistrationRequest,
    SignerInfo
} from "contracts/interfaces/IAttestationRegistry.sol";
import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {IImagePolicy, Requirements} from "contracts/interfaces/IImagePolicy.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {LifeCause} from "contracts/types/LifeCause.sol";
import {TcbStatus} from "contracts/types/TcbStatus.sol";
import {TeeKind, Tier} from "contracts/types/Tee.sol";
import {FakeVerifier} from "./fakes/FakeVerifier.sol";
import {RegistrySetup} from "./RegistrySetup.sol";

/// @notice A registered signer, whose evidence anyone shows again.
abstract contract RecheckSetup is RegistrySetup {
    RegistrationRequest internal registered;

    function setUp() public virtual override {
        super.setUp();
        registered = requestAt(HEIGHT - 5);
    }

    /// @dev Registered with collateral for two days and a grace of one: short of the image's week.
    function registerForThreeDays() internal {
        Claims memory claims = claimsFor(registered);
        claims.collateralUntil = uint64(NOW + 2 days);
        registered.evidence = abi.encode(claims);
        registry.register(registered);
    }

    function recheck(Claims memory claims) internal {
        registry.recheck(recheckOf(registered, claims));
    }

    function refuse(Claims memory claims, bytes memory reason) internal {
        refuse(recheckOf(registered, claims), reason);
    }

    /// @dev Exactly this reason, and nothing is changed.
    function refuse(RecheckRequest memory r, bytes memory reason) internal {
        bytes32 before = keccak256(abi.encode(registry.signerInfo(signer)));
        uint256 cleared = signerSet.cleared();
        vm.expectRevert(reason);
        vm.prank(address(0xa11));
        registry.recheck(r);
        assertEq(keccak256(abi.encode(registry.signerInfo(signer))), before, "changed");
        assertEq(signerSet.cleared(), cleared, "cleared");
    }

    function outOfDate() internal view returns (Claims memory claims) {
        claims = claimsFor(registered);
        claims.tcbStatus = TcbStatus.OUT_OF_DATE;
    }

    function statusError(Claims memory claims) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(
            IImagePolicy.ImagePolicy_StatusNotAccepted.selector, claims.tcbStatus, 2
        );
    }

    function nothing(uint256 seen, uint256 above) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(
            IAttestationRegistry.AttestationRegistry_NothingToChange.selector, seen, above
        );
    }
}

contract AttestationRegistryRecheckTest is RecheckSetup {
    function test_recheck_ExtendsWithNewerCollateral() external {
        registerForThreeDays();
        vm.warp(NOW + 1 days);
        Claims memory claims = claimsFor(registered);
        claims.collateralUntil = uint64(NOW + 4 days);
        vm.expectEmit();
        emit IAttestationRegistry.SignerExtended(
            signer,
            address(0xa11),
            TcbStatus.UP_TO_DATE,
            MIN_NUMBER,
            uint64(NOW + 5 days),
            LifeCause.COLLATERAL
        );
        vm.prank(address(0xa11));
        recheck(claims);
        check(NOW + 5 days, LifeCause.COLLATERAL);
        assertEq(signerSet.cleared(), 0, "hubs go on");
    }

    function test_recheck_ExtendsToTheAgeAtMost() external {
        registerForThreeDays();
        vm.warp(NOW + 1 days);
        recheck(claimsFor(registered));
        check(NOW + 7 days, LifeCause.AGE);
        assertEq(registry.signerInfo(signer).registeredAt, NOW, "counted from the registration");
    }

    function test_recheck_BringsBackAnExpiredSigner() external {
        registerForThreeDays();
        vm.warp(NOW + 4 days);
        assertTrue(!registry.isValid(signer), "expired");
        recheck(claimsFor(registered));
        check(NOW + 7 days, LifeCause.AGE);
    }

    function test_recheck_BringsBackASuspendedSigner() external {
        registry.register(registered);
        recheck(outOfDate());
        assertTrue(!registry.isValid(signer), "suspended");
        vm.warp(NOW + 1 days);
        recheck(claimsFor(registered));
        check(NOW + 7 days, LifeCause.AGE);
    }

    function test_register_BringsBackASuspendedSigner() external {
        registry.register(registered);
        recheck(outOfDate());
        registry.register(requestAt(HEIGHT - 4));
        check(NOW + 7 days, LifeCause.AGE);
    }

    function test_recheck_NeverBringsBackAfterTheAge() external {
        registerForThreeDays();
        vm.warp(NOW + 7 days);
        refuse(claimsFor(registered), nothing(NOW + 7 days, NOW + 7 days));
        vm.warp(NOW + 7 days - 1);
        recheck(claimsFor(registered));
        check(NOW + 7 days, LifeCause.AGE);
    }

    function test_recheck_NeverShortens() external {
        registry.register(registered);
        Claims memory claims = claimsFor(registered);
        claims.collateralUntil = uint64(NOW + 1 days);
        refuse(claims, nothing(NOW + 2 days, NOW + 7 days));
        claims = claimsFor(registered);
        claims.notAfter = uint64(NOW + 1 days);
        refuse(claims, nothing(NOW + 1 days, NOW + 7 days));
    }

    function test_recheck_RevertWhen_NothingWouldChange() external {
        registry.register(registered);
        refuse(claimsFor(registered), nothing(NOW + 7 days, NOW + 7 days));
    }

    /// @dev Accepted claims, whatever they are: the end is theirs, or later, or the call fails.
    function testFuzz_recheck_AcceptanceNeverShortens(
        uint256 later_s,
        uint256 notAfter,
        uint256 collateralUntil,
        uint256 supersededAt
    ) external {
        registerForThreeDays();
        vm.warp(NOW + bound(later_s, 0, 8 days));
        uint256 before = registry.signerInfo(signer).expiresAt;
        Claims memory claims = claimsFor(registered);
        claims.notAfter = uint64(bound(notAfter, NOW, NOW + 10 days));
        claims.collateralUntil = uint64(bound(collateralUntil, NOW, NOW + 10 days));
        claims.supersededAt = uint64(bound(supersededAt, NOW, NOW + 10 days));
        RecheckRequest memory r = recheckOf(registered, claims);
        try registry.recheck(r) {
            SignerInfo memory info = registry.signerInfo(signer);
            assertTrue(info.valid, "valid");
            assertLe(before + 64, info.expiresAt, "later than it was");
            assertLe(info.expiresAt, NOW + 7 days, "age");
            assertLe(info.expiresAt, claims.notAfter, "certificates");
            assertLe(info.expiresAt, claims.collateralUntil + COLLATERAL_GRACE_S, "collateral");
            assertLe(info.expiresAt, claims.supersededAt + RECOVERY_GRACE_S, "recovery");
        } catch {
            assertEq(registry.signerInfo(signer).expiresAt, before, "unchanged");
        }
    }

    function test_recheck_ExtendsWhenTheImagesAgeWasRaised() external {
        registry.register(registered);
        change(strict(14 days));
        recheck(claimsFor(registered));
        check(NOW + 14 days, LifeCause.AGE);
        change(strict(1 days));
        refuse(claimsFor(registered), nothing(NOW + 1 days, NOW + 14 days));
    }

    function test_recheck_BringsEndorsementsFirst() external {
        registerForThreeDays();
        RecheckRequest memory r = recheckOf(registered, claimsFor(registered));
        r.endorsements = "a certificate";
        registry.recheck(r);
        FakeVerifier verifier = FakeVerifier(registry.verifierAt(verifierId));
        assertEq(verifier.endorsements(), "a certificate", "brought");
    }

    function test_recheck_SuspendsAPlatformThatIsOutOfDate() external {
        registry.register(registered);
        vm.warp(NOW + 1 days);
        Claims memory claims = outOfDate();
        vm.expectEmit();
        emit IAttestationRegistry.SignerSuspended(signer, address(0xa11), statusError(claims));
        vm.prank(address(0xa11));
        recheck(claims);
        SignerInfo memory info = registry.signerInfo(signer);
        assertTrue(!info.valid && !info.revoked, "suspended");
        assertTrue(!registry.isValid(signer), "suspended");
        assertEq(info.expiresAt, NOW + 1 days, "end");
        assertEq(info.cause, LifeCause.APPRAISAL, "cause");
        assertEq(info.operator, OPERATOR, "never destroyed");
        assertEq(signerSet.cleared(), 1, "hubs cleared");
        assertEq(signerSet.signer(), signer, "for the signer");
    }

    function test_recheck_SuspendsForAnAdvisory() external {
        registry.register(registered);
        Claims memory claims = claimsFor(registered);
        claims.advisories = "\"INTEL-SA-01397\"";
        recheck(claims);
        assertTrue(!registry.isValid(signer), "suspended");
    }

    /// @dev A recovery: its number is public, the grace for the one before is over.
    function test_recheck_SuspendsOnceTheGraceOfARecoveryIsOver() external {
        registry.register(registered);
        Claims memory claims = outOfDate();
        claims.evaluationNumber = MIN_NUMBER + 1;
        claims.publicSince = uint64(NOW - 1 days);
        vm.warp(NOW - 1 days + RECOVERY_GRACE_S - 1);
        refuse(claims, statusError(claims));
        vm.warp(NOW - 1 days + RECOVERY_GRACE_S);
        recheck(claims);
        assertTrue(!registry.isValid(signer), "suspended");
    }

    function test_recheck_SuspendsAMachineThatIsNoLongerAllowed() external {
        registry.register(registered);
        Requirements memory r = strict(7 days);
        r.platforms = new bytes32[](1);
        r.platforms[0] = keccak256("another machine");
        change(r);
        // Whatever the collateral: the machine stays the same.
        Claims memory claims = claimsFor(registered);
        claims.evaluationNumber = 3;
        claims.publicSince = 0;
        recheck(claims);
        assertTrue(!registry.isValid(signer), "suspended");
        assertEq(signerSet.cleared(), 1, "hubs cleared");
    }

    function test_recheck_SuspendsWhenRequirementsWereTightened() external {
        registry.register(registered);
        Requirements memory r = strict(7 days);
        r.tcbStatuses = uint16(1 << TcbStatus.SW_HARDENING_NEEDED);
        change(r);
        recheck(claimsFor(registered));
        assertTrue(!registry.isValid(signer), "suspended");
    }

    /// @dev Once withdrawn there is no life to end, and the hubs, rebuilt without the image's signers,
    ///      are not cleared again for each of them.
    function test_recheck_RevertWhen_TheImageWasWithdrawn() external {
        registry.register(registered);
        policy.withdrawImage(IMAGE);
        refuse(
            claimsFor(registered),
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_NotLive.selector, IMAGE)
        );
        (uint256 seconds_, uint8 cause) = registry.lifeLeft(signer);
        assertEq(seconds_, 0, "left");
        assertEq(cause, LifeCause.WITHDRAWN, "cause");
    }

    function check(uint256 end, uint8 cause) private view {
        SignerInfo memory info = registry.signerInfo(signer);
        assertTrue(info.valid, "valid");
        assertEq(info.expiresAt, end, "end");
        assertEq(info.cause, cause, "cause");
    }
}

/// @notice What a stranger tries in order to end another's registration, or to keep a bad one.
contract AttestationRegistryRecheckGriefingTest is RecheckSetup {
    function setUp() public override {
        super.setUp();
        registry.register(registered);
    }

    /// @dev A number that the vendor publishes early, which is stricter than must be met.
    function test_recheck_RevertWhen_NumberIsOneOfTheCallersChoice() external {
        Claims memory claims = outOfDate();
        for (uint32 number = MIN_NUMBER + 1; number < MIN_NUMBER + 4; ++number) {
            claims.evaluationNumber = number;
            claims.publicSince = uint64(NOW);
            refuse(claims, statusError(claims));
        }
    }

    function test_recheck_RevertWhen_RecoveryIsStillInItsGrace() external {
        Claims memory claims = outOfDate();
        claims.evaluationNumber = MIN_NUMBER + 1;
        uint256[3] memory ages = [uint256(0), 1 days, RECOVERY_GRACE_S - 1];
        for (uint256 i; i < 3; ++i) {
            claims.publicSince = uint64(NOW - ages[i]);
            refuse(claims, statusError(claims));
        }
        // Not public yet at all.
        claims.publicSince = uint64(NOW + 1 days);
        refuse(claims, statusError(claims));
    }

    function test_recheck_RevertWhen_NumberIsTooLow() external {
        Claims memory claims = outOfDate();
        claims.evaluationNumber = MIN_NUMBER - 1;
        refuse(
            claims,
            abi.encodeWithSelector(
                IImagePolicy.ImagePolicy_NumberTooLow.selector, MIN_NUMBER - 1, MIN_NUMBER
            )
        );
    }

    function test_recheck_RevertWhen_NumberWasSuperseded() external {
        Claims memory claims = outOfDate();
        claims.supersededAt = uint64(NOW - RECOVERY_GRACE_S);
        refuse(
            claims,
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_RecoveryGraceOver.selector, NOW, NOW)
        );
    }

    function test_recheck_RevertWhen_NumbersWereNotShown() external {
        Claims memory claims = outOfDate();
        claims.publicSince = claims.supersededAt = 0;
        refuse(
            claims,
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_NumberNotShown.selector, MIN_NUMBER)
        );
    }

    /// @dev The platform's tables of a strict number, the quoting enclave's of a lenient one.
    function test_recheck_RevertWhen_NumbersWereMixed() external {
        Claims memory claims = outOfDate();
        claims.publicSince = 0;
        refuse(claims, statusError(claims));
    }

    function test_recheck_RevertWhen_CollateralHasEnded() external {
        Claims memory claims = outOfDate();
        claims.collateralUntil = uint64(NOW - 1);
        refuse(claims, abi.encodeWithSelector(FakeVerifier.FakeVerifier_CollateralEnded.selector));
    }

    function test_recheck_RevertWhen_EvidenceIsNotGenuine() external {
        RecheckRequest memory r = recheckOf(registered, outOfDate());
        r.evidence = "";
        refuse(r, abi.encodeWithSelector(FakeVerifier.FakeVerifier_NotGenuine.selector));
    }

    function test_recheck_RevertWhen_CertificatesHaveEnded() external {
        Claims memory claims = outOfDate();
        claims.notAfter = uint64(NOW);
        refuse(
            claims,
            abi.encodeWithSelector(
                IImagePolicy.ImagePolicy_Ended.selector, LifeCause.CERTIFICATE, NOW, NOW
            )
        );
    }

    function test_recheck_RevertWhen_EvidenceIsOfAnotherEnclave() external {
        RegistrationRequest memory other = registered;
        other.signer = vm.addr(7);
        Claims memory claims = claimsFor(other);
        claims.tcbStatus = TcbStatus.REVOKED;
        refuse(
            claims,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_EvidenceForSigner.selector,
                vm.addr(7),
                signer
            )
        );
    }

    /// @dev Approved for the same enclave, or not at all: the record's image is what was attested.
    function test_recheck_RevertWhen_EvidenceIsOfAnotherImage() external {
        bytes32 another = keccak256("another image");
        for (uint256 i; i < 2; ++i) {
            Claims memory claims = outOfDate();
            claims.imageId = another;
            refuse(
                claims,
                abi.encodeWithSelector(
                    IAttestationRegistry.AttestationRegistry_ImageChanged.selector, another, IMAGE
                )
            );
            if (i == 0) approve(another, TeeKind.SGX, 7 days);
        }
    }

    function test_recheck_RevertWhen_EvidenceIsForAnotherBlock() external {
        RegistrationRequest memory other = registered;
        for (uint64 age = 4; age < 7; age += 2) {
            other.refBlock = HEIGHT - age;
            Claims memory claims = claimsFor(other);
            claims.tcbStatus = TcbStatus.OUT_OF_DATE;
            refuse(
                claims,
                abi.encodeWithSelector(
                    IAttestationRegistry.AttestationRegistry_EvidenceForBlock.selector,
                    HEIGHT - age,
                    HEIGHT - 5
                )
            );
        }
    }

    /// @dev What it was renewed with counts, not what it was registered with first.
    function test_recheck_RevertWhen_EvidenceIsThatBeforeTheRenewal() external {
        Claims memory first = outOfDate();
        registry.register(requestAt(HEIGHT - 4));
        refuse(
            first,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_EvidenceForBlock.selector,
                HEIGHT - 5,
                HEIGHT - 4
            )
        );
    }

    /// @dev The same enclave, in a block of the same height, on another chain or for another
    ///      registry: what it said there was said at another time.
    function test_recheck_RevertWhen_EvidenceIsForAnotherChainOrRegistry() external {
        vm.chainId(1337);
        Claims memory claims = outOfDate();
        vm.chainId(31_337);
        refuseBinding(claims);
        IAttestationRegistry here = registry;
        deploy(ISignerSet(address(signerSet)));
        claims = outOfDate();
        registry = here;
        refuseBinding(claims);
    }

    function test_recheck_RevertWhen_EvidenceIsForAnotherOperatorOrKey() external {
        RegistrationRequest memory other = registered;
        other.operator = address(0xbad);
        refuseBinding(claimsFor(other));
        other = registered;
        other.hpkePublicKey = new bytes(32);
        refuseBinding(claimsFor(other));
    }

    function test_recheck_RevertWhen_AHashIsAnother() external {
        RecheckRequest memory r = recheckOf(registered, outOfDate());
        r.refBlockHash = keccak256("another fork");
        expectBinding(r);
        r = recheckOf(registered, outOfDate());
        r.hpkeKeyHash = keccak256("another key");
        expectBinding(r);
    }

    function test_recheck_RevertWhen_ReportDataHasAnotherLayout() external {
        Claims memory claims = outOfDate();
        claims.reportData1 = bytes32(uint256(claims.reportData1) + 1);
        refuse(
            claims,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_ReportDataVersion.selector, 2, 1
            )
        );
    }

    function test_recheck_RevertWhen_VerifierIsOfAnotherTier() external {
        uint16 weaker = addVerifier(address(new FakeVerifier(Tier.ENDORSED)));
        Claims memory claims = outOfDate();
        claims.tier = Tier.ENDORSED;
        RecheckRequest memory r = recheckOf(registered, claims);
        r.verifierId = weaker;
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_TierChanged.selector,
                Tier.ENDORSED,
                Tier.DIRECT
            )
        );
        r.verifierId = verifierId;
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_ClaimedTier.selector,
                Tier.ENDORSED,
                Tier.DIRECT
            )
        );
        r.verifierId = weaker + 1;
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_UnknownVerifier.selector,
                weaker + 1,
                weaker
            )
        );
    }

    function test_recheck_RevertWhen_SignerIsUnknown() external {
        RecheckRequest memory r = recheckOf(registered, claimsFor(registered));
        r.signer = vm.addr(7);
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_UnknownSigner.selector, vm.addr(7)
            )
        );
    }

    function test_recheck_RevertWhen_SignerWasRevoked() external {
        registry.revoke(signer);
        bytes memory reason = abi.encodeWithSelector(
            IAttestationRegistry.AttestationRegistry_Revoked.selector, signer
        );
        refuse(claimsFor(registered), reason);
        refuse(outOfDate(), reason);
        vm.warp(NOW + 8 days);
        refuse(claimsFor(registered), reason);
    }

    function test_recheck_RevertWhen_AnInputIsTooLong() external {
        RecheckRequest memory r = recheckOf(registered, outOfDate());
        r.evidence = new bytes(8193);
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_EvidenceTooLong.selector, 8193, 8192
            )
        );
        r = recheckOf(registered, outOfDate());
        r.hints = new bytes(16_385);
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_HintsTooLong.selector, 16_385, 16_384
            )
        );
        r = recheckOf(registered, outOfDate());
        r.endorsements = new bytes(16_385);
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_EndorsementsTooLong.selector,
                16_385,
                16_384
            )
        );
    }

    /// @dev Who shows the same thing again stops the hubs no second time, in either direction.
    function test_recheck_DoesNotFlap() external {
        recheck(outOfDate());
        refuse(outOfDate(), statusError(outOfDate()));
        vm.warp(NOW + 1 days);
        refuse(outOfDate(), statusError(outOfDate()));
        recheck(claimsFor(registered));
        refuse(claimsFor(registered), nothing(NOW + 7 days, NOW + 7 days));
        assertEq(signerSet.cleared(), 1, "cleared once");
    }

    function test_recheck_RevertWhen_ThereIsNoLifeToEnd() external {
        vm.warp(NOW + 7 days);
        refuse(outOfDate(), statusError(outOfDate()));
        assertEq(registry.signerInfo(signer).cause, LifeCause.AGE, "cause");
    }

    /// @dev Whatever is claimed: a live signer is suspended only if the claims are refused, and then
    ///      only under a number below which none is taken.
    function testFuzz_recheck_SuspendsOnlyUnderTheLowestNumber(
        uint8 status,
        uint32 number,
        uint64 publicSince,
        uint64 supersededAt
    ) external {
        vm.warp(NOW + 1 days);
        Claims memory claims = claimsFor(registered);
        claims.tcbStatus = uint8(bound(status, 0, 10));
        claims.evaluationNumber = uint32(bound(number, MIN_NUMBER - 2, MIN_NUMBER + 2));
        claims.publicSince = uint64(bound(publicSince, 0, 2 * NOW));
        claims.supersededAt = uint64(bound(supersededAt, 0, 2 * NOW));
        RecheckRequest memory r = recheckOf(registered, claims);
        try registry.recheck(r) {} catch {}
        if (registry.isValid(signer)) return;
        assertTrue(claims.tcbStatus != TcbStatus.UP_TO_DATE, "refused");
        assertTrue(claims.evaluationNumber >= MIN_NUMBER, "a number that is taken");
        assertTrue(claims.supersededAt + RECOVERY_GRACE_S > block.timestamp, "still");
        assertTrue(
            claims.evaluationNumber == MIN_NUMBER
                || claims.publicSince + RECOVERY_GRACE_S <= block.timestamp,
            "the lowest"
        );
    }

    function refuseBinding(Claims memory claims) private {
        claims.tcbStatus = TcbStatus.OUT_OF_DATE;
        expectBinding(recheckOf(registered, claims));
    }

    function expectBinding(RecheckRequest memory r) private {
        Claims memory claims = abi.decode(r.evidence, (Claims));
        bytes32 seen = (claims.reportData0 << 224) | bytes32(uint256(claims.reportData1) >> 32);
        bytes32 extension = keccak256(abi.encode(OPERATOR, r.hpkeKeyHash));
        bytes32 wanted = keccak256(
            abi.encode(
                keccak256("confidential-oracle.registration.v1"),
                block.chainid,
                address(registry),
                signer,
                r.refBlockHash,
                extension
            )
        );
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_EvidenceForRegistration.selector,
                seen,
                wanted
            )
        );
    }
}
