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
import {LifeCause} from "contracts/types/LifeCause.sol";
import {TcbStatus} from "contracts/types/TcbStatus.sol";
import {TeeKind, Tier} from "contracts/types/Tee.sol";
import {FakeVerifier} from "./fakes/FakeVerifier.sol";
import {ReentrantVerifier} from "./fakes/ReentrantVerifier.sol";
import {RegistrySetup} from "./RegistrySetup.sol";

/// @notice What the policy refuses comes out of `register` as the policy says it, byte for byte.
contract AttestationRegistryRefusalsTest is RegistrySetup {
    Claims private claims;

    function setUp() public override {
        super.setUp();
        claims = claimsFor(requestAt(HEIGHT - 5));
    }

    function test_register_RevertWhen_ImageIsNotApproved() external {
        claims.imageId = keccak256("another image");
        refuse(abi.encodeWithSelector(IImagePolicy.ImagePolicy_NotLive.selector, claims.imageId));
    }

    function test_register_RevertWhen_ImageWasWithdrawn() external {
        policy.withdrawImage(IMAGE);
        refuse(abi.encodeWithSelector(IImagePolicy.ImagePolicy_NotLive.selector, IMAGE));
    }

    function test_register_RevertWhen_ImageIsForAnotherPlatform() external {
        claims.tee = TeeKind.TDX;
        refuse(
            abi.encodeWithSelector(
                IImagePolicy.ImagePolicy_ImageForTee.selector, TeeKind.TDX, TeeKind.SGX
            )
        );
    }

    function test_register_RevertWhen_MachineIsNotAllowed() external {
        Requirements memory r = strict(7 days);
        r.platforms = new bytes32[](1);
        r.platforms[0] = keccak256("another machine");
        change(r);
        refuse(
            abi.encodeWithSelector(
                IImagePolicy.ImagePolicy_PlatformNotAllowed.selector, claims.hwId
            )
        );
    }

    function test_register_RevertWhen_NumberIsTooLow() external {
        claims.evaluationNumber = MIN_NUMBER - 1;
        refuse(
            abi.encodeWithSelector(
                IImagePolicy.ImagePolicy_NumberTooLow.selector, MIN_NUMBER - 1, MIN_NUMBER
            )
        );
    }

    function test_register_RevertWhen_NumberWasNotShown() external {
        claims.supersededAt = 0;
        refuse(abi.encodeWithSelector(IImagePolicy.ImagePolicy_NumberNotShown.selector, MIN_NUMBER));
    }

    function test_register_RevertWhen_GraceAfterARecoveryIsOver() external {
        claims.supersededAt = uint64(NOW - RECOVERY_GRACE_S - 1);
        refuse(
            abi.encodeWithSelector(
                IImagePolicy.ImagePolicy_RecoveryGraceOver.selector, NOW - 1, NOW
            )
        );
    }

    function test_register_RevertWhen_CertificatesHaveEnded() external {
        claims.notAfter = uint64(NOW);
        refuse(
            abi.encodeWithSelector(
                IImagePolicy.ImagePolicy_Ended.selector, LifeCause.CERTIFICATE, NOW, NOW
            )
        );
    }

    function test_register_RevertWhen_StatusIsNotAccepted() external {
        uint8[10] memory statuses = [0, 2, 3, 4, 5, 6, 7, 8, 9, 255];
        for (uint256 i; i < 10; ++i) {
            claims.tcbStatus = statuses[i];
            refuse(
                abi.encodeWithSelector(
                    IImagePolicy.ImagePolicy_StatusNotAccepted.selector, statuses[i], 2
                )
            );
        }
    }

    function test_register_RevertWhen_AnAdvisoryIsOpen() external {
        claims.advisories = "\"INTEL-SA-01397\",\"INTEL-SA-00837\"";
        refuse(
            abi.encodeWithSelector(
                IImagePolicy.ImagePolicy_AdvisoryNotAccepted.selector, "INTEL-SA-01397"
            )
        );
    }

    function test_register_RevertWhen_AdvisoriesAreMalformed() external {
        claims.advisories = "INTEL-SA-01397";
        refuse(abi.encodeWithSelector(IImagePolicy.ImagePolicy_AdvisoriesMalformed.selector, 0));
    }

    function test_register_RevertWhen_CollateralHasEnded() external {
        claims.collateralUntil = uint64(NOW - 1);
        refuse(abi.encodeWithSelector(FakeVerifier.FakeVerifier_CollateralEnded.selector));
    }

    function refuse(bytes memory reason) private {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        r.evidence = abi.encode(claims);
        vm.expectRevert(reason);
        registry.register(r);
        assertEq(registry.signerInfo(signer).operator, address(0), "not registered");
    }
}

/// @notice A registration that a stranger sends first, with what the stranger likes.
contract AttestationRegistryFrontRunTest is RegistrySetup {
    function test_register_HasTheSameEffectWhoeverSendsItFirst() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        uint256 before = vm.snapshotState();
        registry.register(r);
        bytes32 wanted = keccak256(abi.encode(registry.signerInfo(signer)));
        vm.revertToState(before);
        vm.prank(address(0xbad));
        registry.register(r);
        assertEq(keccak256(abi.encode(registry.signerInfo(signer))), wanted, "the same");
        vm.expectRevert(
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_EvidenceNotNewer.selector,
                HEIGHT - 5,
                HEIGHT - 5
            )
        );
        registry.register(r);
        assertEq(keccak256(abi.encode(registry.signerInfo(signer))), wanted, "still the same");
    }

    /// @dev Neither hints nor endorsements are signed: a stranger may choose collateral that ends
    ///      early. The operator then shows its own.
    function test_recheck_MendsARegistrationThatWasSentWithOtherHints() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        bytes memory own = r.evidence;
        Claims memory claims = claimsFor(r);
        claims.collateralUntil = uint64(NOW);
        r.evidence = abi.encode(claims);
        vm.prank(address(0xbad));
        registry.register(r);
        assertEq(registry.signerInfo(signer).expiresAt, NOW + COLLATERAL_GRACE_S, "short");
        r.evidence = own;
        vm.expectPartialRevert(IAttestationRegistry.AttestationRegistry_EvidenceNotNewer.selector);
        registry.register(r);
        registry.recheck(recheckOf(r, abi.decode(own, (Claims))));
        assertEq(registry.signerInfo(signer).expiresAt, NOW + 7 days, "as the operator wanted it");
    }

    /// @dev Without the signer's key a stranger alters nothing that is signed.
    function testFuzz_register_RevertWhen_AStrangerAltersWhatIsSigned(uint256 any) external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        uint256 field = any % 4;
        uint256 bit = any >> 8;
        if (field == 0) r.operator = address(uint160(r.operator) ^ uint160(1 << bit % 160));
        if (field == 1) r.hpkePublicKey[bit % 32] ^= bytes1(uint8(1 << (bit >> 8) % 8));
        if (field == 2) r.refBlock = HEIGHT - 1 - uint64(bit % 4);
        if (field == 3) r.signature[bit % 64] ^= bytes1(uint8(1 << (bit >> 8) % 8));
        vm.expectRevert();
        vm.prank(address(0xbad));
        registry.register(r);
    }
}

/// @notice The largest inputs, and verifiers that answer nonsense.
contract AttestationRegistryBoundsTest is RegistrySetup {
    /// @dev An eighth of what a transaction may use.
    uint256 private constant MOST_GAS = 16_777_216 / 8;

    function test_register_TakesTheLargestInputs() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        bytes memory padding = new bytes(8192 - r.evidence.length);
        r.evidence = bytes.concat(r.evidence, padding);
        r.hints = new bytes(16_384);
        uint256 before = gasleft();
        registry.register(r);
        assertLe(before - gasleft(), MOST_GAS, "register");
        assertTrue(registry.isValid(signer), "valid");
        RecheckRequest memory again = recheckOf(r, claimsFor(r));
        Claims memory claims = claimsFor(r);
        claims.tcbStatus = TcbStatus.OUT_OF_DATE;
        again.evidence = abi.encode(claims);
        again.evidence = bytes.concat(again.evidence, new bytes(8192 - again.evidence.length));
        again.hints = new bytes(16_384);
        before = gasleft();
        registry.recheck(again);
        assertLe(before - gasleft(), MOST_GAS, "recheck");
    }

    function test_register_TakesTheLargestEndorsements() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        r.endorsements = new bytes(16_384);
        registry.register(r);
        FakeVerifier verifier = FakeVerifier(registry.verifierAt(verifierId));
        assertEq(verifier.endorsements(), r.endorsements, "brought");
    }

    function test_register_BringsNothingWhenThereIsNothingToBring() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        address verifier = registry.verifierAt(verifierId);
        vm.expectCall(verifier, abi.encodePacked(FakeVerifier.addEndorsements.selector), 0);
        registry.register(r);
    }

    /// @dev A verifier that answers no claims at all, or too few bytes of them.
    function test_register_RevertWhen_TheAnswerAreNoClaims() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        address verifier = registry.verifierAt(verifierId);
        bytes memory call = abi.encodeCall(FakeVerifier.verify, (r.evidence, r.hints));
        bytes[3] memory answers = [bytes(""), new bytes(32), new bytes(1000)];
        for (uint256 i; i < 3; ++i) {
            vm.mockCall(verifier, call, answers[i]);
            vm.expectRevert();
            registry.register(r);
        }
    }
}

/// @notice A verifier of governance's own choice that calls back.
contract AttestationRegistryReentrancyTest is RegistrySetup {
    ReentrantVerifier private verifier;
    RegistrationRequest private r;

    function setUp() public override {
        super.setUp();
        verifier = new ReentrantVerifier();
        verifierId = addVerifier(address(verifier));
        RegistrationRequest memory request = requestAt(HEIGHT - 5);
        // The verifier answers for the signer, so that it may revoke it.
        request.operator = address(verifier);
        prove(request);
        request.endorsements = "call back";
        r = request;
    }

    function test_register_RevertWhen_ItIsCalledAgainFromWithin() external {
        RegistrationRequest memory inner = r;
        inner.endorsements = "";
        verifier.onEndorsements(address(registry), abi.encodeCall(registry.register, (inner)));
        vm.expectRevert(
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_EvidenceNotNewer.selector,
                HEIGHT - 5,
                HEIGHT - 5
            )
        );
        registry.register(r);
        assertEq(registry.signerInfo(signer).operator, address(0), "neither took place");
    }

    /// @dev The record that a revocation from within has changed is the one that counts.
    function test_register_DoesNotUndoARevocationFromWithin() external {
        registry.register(r);
        verifier.onEndorsements(address(registry), abi.encodeCall(registry.revoke, (signer)));
        RegistrationRequest memory renewal = requestAt(HEIGHT - 4);
        renewal.operator = address(verifier);
        prove(renewal);
        renewal.endorsements = "call back";
        vm.expectRevert(revokedError());
        registry.register(renewal);
    }

    function test_recheck_DoesNotUndoARevocationFromWithin() external {
        registerForThreeDays();
        verifier.onEndorsements(address(registry), abi.encodeCall(registry.revoke, (signer)));
        RecheckRequest memory again = recheckOf(r, claimsFor(r));
        again.endorsements = "call back";
        vm.expectRevert(revokedError());
        registry.recheck(again);
    }

    function test_recheck_DoesNotExtendTwice() external {
        registerForThreeDays();
        RecheckRequest memory inner = recheckOf(r, claimsFor(r));
        verifier.onEndorsements(address(registry), abi.encodeCall(registry.recheck, (inner)));
        RecheckRequest memory again = recheckOf(r, claimsFor(r));
        again.endorsements = "call back";
        vm.expectRevert(
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_NothingToChange.selector,
                NOW + 7 days,
                NOW + 7 days
            )
        );
        registry.recheck(again);
    }

    /// @dev A suspension that finds the signer suspended already from within stops the hubs once.
    function test_recheck_DoesNotSuspendTwice() external {
        registry.register(r);
        Claims memory claims = claimsFor(r);
        claims.tcbStatus = TcbStatus.REVOKED;
        RecheckRequest memory inner = recheckOf(r, claims);
        verifier.onEndorsements(address(registry), abi.encodeCall(registry.recheck, (inner)));
        RecheckRequest memory again = recheckOf(r, claims);
        again.endorsements = "call back";
        vm.expectPartialRevert(IImagePolicy.ImagePolicy_StatusNotAccepted.selector);
        registry.recheck(again);
        assertEq(signerSet.cleared(), 0, "undone with the rest");
        registry.recheck(inner);
        assertEq(signerSet.cleared(), 1, "once");
    }

    /// @dev What is called back in between takes effect by itself, and only that.
    function test_recheck_FindsWhatARegistrationFromWithinLeft() external {
        registerForThreeDays();
        RegistrationRequest memory renewal = requestAt(HEIGHT - 4);
        renewal.operator = address(verifier);
        prove(renewal);
        verifier.onEndorsements(address(registry), abi.encodeCall(registry.register, (renewal)));
        RecheckRequest memory again = recheckOf(r, claimsFor(r));
        again.endorsements = "call back";
        vm.expectRevert(
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_EvidenceForBlock.selector,
                HEIGHT - 5,
                HEIGHT - 4
            )
        );
        registry.recheck(again);
    }

    /// @dev The registry calls `verify` so that nothing can change, whatever the verifier says it is.
    function test_verify_ChangesNothing() external {
        RegistrationRequest memory victim = r;
        victim.endorsements = "";
        registry.register(victim);
        verifier.onVerify(address(registry), abi.encodeCall(registry.revoke, (signer)));
        RegistrationRequest memory renewal = requestAt(HEIGHT - 4);
        renewal.operator = address(verifier);
        prove(renewal);
        registry.register(renewal);
        SignerInfo memory info = registry.signerInfo(signer);
        assertTrue(info.valid && !info.revoked, "not revoked");
    }

    function registerForThreeDays() private {
        RegistrationRequest memory request = r;
        Claims memory claims = claimsFor(request);
        claims.collateralUntil = uint64(NOW + 2 days);
        request.evidence = abi.encode(claims);
        registry.register(request);
        assertEq(registry.signerInfo(signer).expiresAt, NOW + 3 days, "three days");
    }

    function revokedError() private view returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_Revoked.selector, signer
            );
    }
}
