// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AttestationRegistry} from "contracts/AttestationRegistry.sol";
import {
    IAttestationRegistry,
    RegistrationRequest,
    SignerInfo
} from "contracts/interfaces/IAttestationRegistry.sol";
import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {IGoverned} from "contracts/interfaces/IGoverned.sol";
import {IImagePolicy} from "contracts/interfaces/IImagePolicy.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {Ecdsa} from "contracts/libraries/Ecdsa.sol";
import {TeeKind, Tier} from "contracts/types/Tee.sol";
import {FakeVerifier} from "./fakes/FakeVerifier.sol";
import {RegistrySetup} from "./RegistrySetup.sol";

contract AttestationRegistryRegisterTest is RegistrySetup {
    function test_register_MakesTheSignerValid() external {
        registry.register(requestAt(HEIGHT - 5));
        SignerInfo memory info = registry.signerInfo(signer);
        assertEq(info.operator, OPERATOR, "operator");
        assertEq(info.expiresAt, block.timestamp + 7 days, "end");
        assertEq(info.imageId, IMAGE, "image");
        assertEq(info.tee, TeeKind.SGX, "TEE");
        assertEq(info.tier, Tier.DIRECT, "tier");
        assertTrue(info.valid && !info.revoked, "valid");
        assertTrue(registry.isValid(signer), "valid");
    }

    function test_register_PublishesTheEvidence() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        vm.expectEmit();
        emit IAttestationRegistry.SignerRegistered(
            signer,
            OPERATOR,
            IMAGE,
            TeeKind.SGX,
            Tier.DIRECT,
            verifierId,
            HEIGHT - 5,
            uint64(block.timestamp + 7 days),
            keccak256("a machine"),
            HPKE_KEY,
            r.evidence
        );
        registry.register(r);
    }

    function test_register_IsOpenToAnyone() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        vm.prank(address(0xa11));
        registry.register(r);
        assertEq(registry.signerInfo(signer).operator, OPERATOR, "operator");
    }

    function test_register_EndsWithTheCertificatesWhenTheyEndFirst() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        Claims memory claims = claimsFor(r);
        claims.notAfter = uint64(block.timestamp + 1 hours);
        r.evidence = abi.encode(claims);
        registry.register(r);
        assertEq(registry.signerInfo(signer).expiresAt, block.timestamp + 1 hours, "end");
    }

    function test_isValid_EndsWithTheRegistration() external {
        registry.register(requestAt(HEIGHT - 5));
        uint256 end = registry.signerInfo(signer).expiresAt;
        vm.warp(end - 1);
        assertTrue(registry.isValid(signer), "valid in its last second");
        vm.warp(end);
        assertTrue(!registry.isValid(signer), "not valid at its end");
    }

    function test_isValid_EndsWithTheImage() external {
        registry.register(requestAt(HEIGHT - 5));
        policy.withdrawImage(IMAGE);
        assertTrue(!registry.isValid(signer), "not valid");
        assertTrue(!registry.signerInfo(signer).valid, "not valid");
        assertEq(signerSet.cleared(), 1, "hubs cleared");
    }

    function test_signerInfo_IsZeroForAnUnknownSigner() external view {
        assertEq(
            keccak256(abi.encode(registry.signerInfo(signer))),
            keccak256(new bytes(7 * 32)),
            "all zeros"
        );
        assertTrue(!registry.isValid(signer), "not valid");
    }

    function test_register_TakesTheOldestBlockOfTheWindow() external {
        setHash(HEIGHT - WINDOW);
        registry.register(requestAt(HEIGHT - WINDOW));
        assertTrue(registry.isValid(signer), "valid");
    }

    function test_register_RevertWhen_BlockIsOlderThanTheWindow() external {
        setHash(HEIGHT - WINDOW - 1);
        refuse(
            requestAt(HEIGHT - WINDOW - 1),
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_RefBlockTooOld.selector,
                HEIGHT - WINDOW - 1,
                HEIGHT - WINDOW
            )
        );
    }

    function test_register_RevertWhen_BlockIsNotPast() external {
        uint64[2] memory heights = [HEIGHT, HEIGHT + 1];
        for (uint256 i; i < 2; ++i) {
            refuse(
                requestAt(heights[i]),
                abi.encodeWithSelector(
                    IAttestationRegistry.AttestationRegistry_RefBlockNotPast.selector,
                    heights[i],
                    HEIGHT
                )
            );
        }
    }

    function test_register_RevertWhen_BlockHashIsUnknown() external {
        uint64 height = HEIGHT - WINDOW;
        vm.setBlockhash(height, 0);
        refuse(
            requestAt(height),
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_RefBlockUnknown.selector, height
            )
        );
    }

    function test_register_RevertWhen_BlockIsOfAnotherFork() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        vm.setBlockhash(HEIGHT - 5, keccak256("another fork"));
        vm.expectPartialRevert(IAttestationRegistry.AttestationRegistry_SignatureBy.selector);
        registry.register(r);
    }

    function test_register_RevertWhen_SignerIsZero() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        r.signer = address(0);
        refuse(r, IAttestationRegistry.AttestationRegistry_ZeroSigner.selector);
    }

    function test_register_RevertWhen_OperatorIsZero() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        r.operator = address(0);
        prove(r);
        refuse(r, IAttestationRegistry.AttestationRegistry_ZeroOperator.selector);
    }

    function test_register_RevertWhen_AFieldHasAnotherLength() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        r.hpkePublicKey = new bytes(31);
        refuse(r, IAttestationRegistry.AttestationRegistry_HpkeKeyLength.selector);
        r.hpkePublicKey = new bytes(33);
        refuse(r, IAttestationRegistry.AttestationRegistry_HpkeKeyLength.selector);
        r = requestAt(HEIGHT - 5);
        r.evidence = new bytes(8193);
        refuse(r, IAttestationRegistry.AttestationRegistry_EvidenceTooLong.selector);
        r = requestAt(HEIGHT - 5);
        r.hints = new bytes(1025);
        refuse(r, IAttestationRegistry.AttestationRegistry_HintsTooLong.selector);
        r = requestAt(HEIGHT - 5);
        r.signature = bytes.concat(r.signature, hex"00");
        refuse(r, IAttestationRegistry.AttestationRegistry_SignatureLength.selector);
    }

    function test_register_RevertWhen_SignatureIsByAnotherKey() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        consent(r, 7);
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_SignatureBy.selector, vm.addr(7), signer
            )
        );
    }

    function test_register_RevertWhen_SignatureIsImpossible() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        r.signature = new bytes(64);
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_SignatureBy.selector, address(0), signer
            )
        );
    }

    function test_register_RevertWhen_SIsHigh() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        // One above half the order; the compact form has no room for the twin of most signatures.
        uint256 high = Ecdsa.MAX_S + 1;
        r.signature = abi.encode(keccak256("any r"), high);
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_HighS.selector, high, high - 1
            )
        );
    }

    function test_register_RevertWhen_VerifierIsUnknown() external {
        uint16[2] memory ids = [uint16(0), verifierId + 1];
        for (uint256 i; i < 2; ++i) {
            RegistrationRequest memory r = requestAt(HEIGHT - 5);
            r.verifierId = ids[i];
            refuse(
                r,
                abi.encodeWithSelector(
                    IAttestationRegistry.AttestationRegistry_UnknownVerifier.selector,
                    ids[i],
                    verifierId
                )
            );
        }
    }

    function test_register_RevertWhen_EvidenceIsNotGenuine() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        r.evidence = "";
        refuse(r, FakeVerifier.FakeVerifier_NotGenuine.selector);
    }

    function test_register_RevertWhen_ClaimedTierIsAnother() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        Claims memory claims = claimsFor(r);
        claims.tier = Tier.ENDORSED;
        refuseClaims(r, claims, IAttestationRegistry.AttestationRegistry_ClaimedTier.selector);
    }

    function test_register_RevertWhen_EvidenceIsForAnotherSigner() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        r.signer = vm.addr(7);
        consent(r, 7);
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_EvidenceForSigner.selector,
                signer,
                vm.addr(7)
            )
        );
    }

    function test_register_RevertWhen_EvidenceIsForAnotherBlock() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        r.refBlock = HEIGHT - 4;
        consent(r, KEY);
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_EvidenceForBlock.selector,
                HEIGHT - 5,
                HEIGHT - 4
            )
        );
    }

    function test_register_RevertWhen_EvidenceIsForAnotherOperator() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        r.operator = address(0xbad);
        consent(r, KEY);
        refuseBinding(r);
    }

    function test_register_RevertWhen_EvidenceIsForAnotherEncryptionKey() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        r.hpkePublicKey = new bytes(32);
        consent(r, KEY);
        refuseBinding(r);
    }

    function test_register_RevertWhen_EvidenceIsForAnotherChain() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        vm.chainId(1337);
        consent(r, KEY);
        refuseBinding(r);
    }

    function test_register_RevertWhen_EvidenceIsForAnotherRegistry() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        registry = new AttestationRegistry(
            address(this), GUARDIAN, 0, policy, ISignerSet(address(signerSet)), WINDOW
        );
        addVerifier(address(new FakeVerifier(Tier.DIRECT)));
        consent(r, KEY);
        refuseBinding(r);
    }

    function test_register_RevertWhen_EvidenceIsForABlockOfAnotherFork() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        Claims memory claims = claimsFor(r);
        r.refBlock = HEIGHT - 4;
        Claims memory wanted = claimsFor(r);
        r.refBlock = HEIGHT - 5;
        // Signer and height of this registration, hash of another block.
        claims.reportData1 = wanted.reportData1;
        refuseClaims(
            r, claims, IAttestationRegistry.AttestationRegistry_EvidenceForRegistration.selector
        );
    }

    function test_register_RevertWhen_ReportDataHasAnotherLayout() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        Claims memory claims = claimsFor(r);
        claims.reportData1 = bytes32(uint256(claims.reportData1) + 1);
        refuseClaims(r, claims, IAttestationRegistry.AttestationRegistry_ReportDataVersion.selector);
    }

    function testFuzz_register_RevertWhen_ReportDataIsAltered(uint256 any) external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        Claims memory claims = claimsFor(r);
        uint256 bit = bound(any, 0, 511);
        if (bit < 256) claims.reportData0 ^= bytes32(2 ** bit);
        else claims.reportData1 ^= bytes32(2 ** (bit - 256));
        r.evidence = abi.encode(claims);
        vm.expectRevert();
        registry.register(r);
        assertTrue(!registry.isValid(signer), "not registered");
    }

    function test_register_RevertWhen_ImageIsNotApproved() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        Claims memory claims = claimsFor(r);
        claims.imageId = keccak256("another image");
        refuseClaims(r, claims, IAttestationRegistry.AttestationRegistry_ImageNotLive.selector);
    }

    function test_register_RevertWhen_ImageWasWithdrawn() external {
        policy.withdrawImage(IMAGE);
        refuse(
            requestAt(HEIGHT - 5),
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_ImageNotLive.selector, IMAGE
            )
        );
    }

    function test_register_RevertWhen_ImageIsForAnotherPlatform() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        Claims memory claims = claimsFor(r);
        claims.tee = TeeKind.TDX;
        refuseClaims(r, claims, IAttestationRegistry.AttestationRegistry_ImageForTee.selector);
    }

    function test_register_RevertWhen_CertificatesHaveEnded() external {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        Claims memory claims = claimsFor(r);
        claims.notAfter = uint64(block.timestamp);
        refuseClaims(r, claims, IAttestationRegistry.AttestationRegistry_EvidenceExpired.selector);
    }

    function test_register_RevertWhen_ANumberDoesNotFitTheRecord() external {
        vm.warp(2 ** 32 - 1);
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        refuse(r, IAttestationRegistry.AttestationRegistry_OutOfRange.selector);
        vm.warp(1_900_000_000);
        vm.roll(2 ** 32 + 1);
        setHash(2 ** 32);
        refuse(
            requestAt(2 ** 32),
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_OutOfRange.selector, 2 ** 32, 2 ** 32 - 1
            )
        );
    }

    function refuse(RegistrationRequest memory r, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        registry.register(r);
    }

    function refuse(RegistrationRequest memory r, bytes memory reason) private {
        vm.expectRevert(reason);
        registry.register(r);
    }

    function refuseClaims(RegistrationRequest memory r, Claims memory claims, bytes4 selector)
        private
    {
        r.evidence = abi.encode(claims);
        refuse(r, selector);
    }

    function refuseBinding(RegistrationRequest memory r) private {
        Claims memory claims = abi.decode(r.evidence, (Claims));
        bytes32 seen = (claims.reportData0 << 224) | bytes32(uint256(claims.reportData1) >> 32);
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_EvidenceForRegistration.selector,
                seen,
                bindingOf(r)
            )
        );
    }
}

contract AttestationRegistryLifecycleTest is RegistrySetup {
    function test_register_RenewsWithNewerEvidence() external {
        registry.register(requestAt(HEIGHT - 5));
        vm.warp(block.timestamp + 1 days);
        registry.register(requestAt(HEIGHT - 4));
        assertEq(registry.signerInfo(signer).expiresAt, block.timestamp + 7 days, "end");
        assertEq(signerSet.cleared(), 0, "hubs go on");
    }

    function test_register_RenewsAfterTheEnd() external {
        registry.register(requestAt(HEIGHT - 5));
        vm.warp(block.timestamp + 8 days);
        assertTrue(!registry.isValid(signer), "ended");
        registry.register(requestAt(HEIGHT - 4));
        assertTrue(registry.isValid(signer), "renewed");
    }

    function test_register_RevertWhen_EvidenceIsNotNewer() external {
        registry.register(requestAt(HEIGHT - 5));
        for (uint64 age = 5; age < 7; ++age) {
            RegistrationRequest memory r = requestAt(HEIGHT - age);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAttestationRegistry.AttestationRegistry_EvidenceNotNewer.selector,
                    HEIGHT - age,
                    HEIGHT - 5
                )
            );
            registry.register(r);
        }
    }

    function test_register_RevertWhen_RenewalIsByAnotherOperator() external {
        registry.register(requestAt(HEIGHT - 5));
        RegistrationRequest memory r = requestAt(HEIGHT - 4);
        r.operator = address(0xbad);
        prove(r);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_OperatorChanged.selector,
                address(0xbad),
                OPERATOR
            )
        );
        registry.register(r);
    }

    function test_register_RevertWhen_RenewalIsWithAnotherImage() external {
        registry.register(requestAt(HEIGHT - 5));
        bytes32 another = keccak256("another image");
        approve(another, TeeKind.SGX, 7 days);
        RegistrationRequest memory r = requestAt(HEIGHT - 4);
        Claims memory claims = claimsFor(r);
        claims.imageId = another;
        r.evidence = abi.encode(claims);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_ImageChanged.selector, another, IMAGE
            )
        );
        registry.register(r);
    }

    function test_register_RevertWhen_RenewalIsAtAnotherTier() external {
        registry.register(requestAt(HEIGHT - 5));
        RegistrationRequest memory r = requestAt(HEIGHT - 4);
        r.verifierId = addVerifier(address(new FakeVerifier(Tier.ENDORSED)));
        Claims memory claims = claimsFor(r);
        claims.tier = Tier.ENDORSED;
        r.evidence = abi.encode(claims);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_TierChanged.selector,
                Tier.ENDORSED,
                Tier.DIRECT
            )
        );
        registry.register(r);
    }

    function test_register_RevertWhen_RenewalWouldEndEarlier() external {
        registry.register(requestAt(HEIGHT - 5));
        RegistrationRequest memory r = requestAt(HEIGHT - 4);
        Claims memory claims = claimsFor(r);
        claims.notAfter = uint64(block.timestamp + 7 days - 1);
        r.evidence = abi.encode(claims);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_RenewalShortens.selector,
                block.timestamp + 7 days - 1,
                block.timestamp + 7 days
            )
        );
        registry.register(r);
    }

    function test_revoke_EndsTheSignerForGoodAndClearsTheHubs() external {
        registry.register(requestAt(HEIGHT - 5));
        vm.expectEmit();
        emit IAttestationRegistry.SignerRevoked(signer, OPERATOR);
        vm.prank(OPERATOR);
        registry.revoke(signer);
        assertTrue(!registry.isValid(signer), "not valid");
        assertTrue(registry.signerInfo(signer).revoked, "revoked");
        assertEq(signerSet.cleared(), 1, "hubs cleared");
        assertEq(signerSet.by(), address(registry), "cleared by the registry");
    }

    function test_revoke_IsOpenToGovernanceAndGuardian() external {
        registry.register(requestAt(HEIGHT - 5));
        uint256 before = vm.snapshotState();
        registry.revoke(signer);
        assertTrue(!registry.isValid(signer), "revoked by governance");
        vm.revertToState(before);
        vm.prank(GUARDIAN);
        registry.revoke(signer);
        assertTrue(!registry.isValid(signer), "revoked by the guardian");
    }

    function test_revoke_RevertWhen_CallerIsAnyoneElse() external {
        registry.register(requestAt(HEIGHT - 5));
        address[2] memory others = [address(0xbad), signer];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAttestationRegistry.AttestationRegistry_MayNotRevoke.selector, others[i]
                )
            );
            vm.prank(others[i]);
            registry.revoke(signer);
        }
    }

    function test_revoke_RevertWhen_SignerIsUnknown() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_UnknownSigner.selector, signer
            )
        );
        registry.revoke(signer);
    }

    function test_revoke_RevertWhen_SignerIsRevokedAlready() external {
        registry.register(requestAt(HEIGHT - 5));
        registry.revoke(signer);
        vm.expectRevert(revokedError());
        registry.revoke(signer);
    }

    function test_register_RevertWhen_SignerWasRevoked() external {
        registry.register(requestAt(HEIGHT - 5));
        registry.revoke(signer);
        RegistrationRequest memory r = requestAt(HEIGHT - 4);
        vm.expectRevert(revokedError());
        registry.register(r);
    }

    function testFuzz_register_RevertWhen_SignerWasRevoked(uint32 later_s, uint8 newer) external {
        registry.register(requestAt(HEIGHT - 5));
        registry.revoke(signer);
        vm.warp(block.timestamp + bound(later_s, 0, 3650 days));
        RegistrationRequest memory r = requestAt(HEIGHT - uint64(bound(newer, 1, 4)));
        vm.expectRevert(revokedError());
        registry.register(r);
        assertTrue(!registry.isValid(signer), "not valid");
    }

    function revokedError() private view returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_Revoked.selector, signer
            );
    }
}

contract AttestationRegistryGovernanceTest is RegistrySetup {
    function test_addVerifier_NumbersThemFromOne() external {
        assertEq(verifierId, 1, "first");
        address second = address(new FakeVerifier(Tier.DEV));
        bytes memory call = abi.encodeCall(AttestationRegistry.addVerifier, (second));
        registry.propose(call);
        vm.expectEmit();
        emit IAttestationRegistry.VerifierAdded(2, second, Tier.DEV, "fake/1");
        registry.execute(call);
        assertEq(registry.verifierAt(2), second, "second");
        assertEq(registry.verifierAt(0), address(0), "unused");
    }

    function test_addVerifier_RevertWhen_CalledDirectly() external {
        vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_NotSelf.selector, address(this)));
        registry.addVerifier(address(policy));
    }

    function test_addVerifier_RevertWhen_AddressHasNoCode() external {
        refuseVerifier(
            address(0xbad),
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_NoCode.selector, address(0xbad)
            )
        );
    }

    function test_addVerifier_RevertWhen_VerifierIsKnown() external {
        address known = registry.verifierAt(verifierId);
        refuseVerifier(
            known,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_KnownVerifier.selector, known
            )
        );
    }

    function test_addVerifier_RevertWhen_TierDoesNotExist() external {
        for (uint8 tier; tier < 6; tier += 5) {
            refuseVerifier(
                address(new FakeVerifier(tier)),
                abi.encodeWithSelector(
                    IAttestationRegistry.AttestationRegistry_UnknownTier.selector, tier, 4
                )
            );
        }
    }

    function test_addVerifier_RevertWhen_TierDevIsOffLocalChains() external {
        address verifier = address(new FakeVerifier(Tier.DEV));
        vm.chainId(1);
        refuseVerifier(
            verifier,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_DevOnlyOnLocalChain.selector, 1
            )
        );
    }

    function test_constructor_KeepsItsArguments() external view {
        assertEq(registry.imagePolicy(), address(policy), "policy");
        assertEq(registry.maxRefBlocks(), WINDOW, "window");
        assertEq(registry.governance(), address(this), "governance");
        assertEq(registry.guardian(), GUARDIAN, "guardian");
    }

    function test_constructor_RevertWhen_WindowIsOutOfReach() external {
        uint64[2] memory windows = [uint64(0), 8192];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAttestationRegistry.AttestationRegistry_RefWindowOutOfRange.selector,
                    windows[i],
                    8191
                )
            );
            deploy(policy, ISignerSet(address(signerSet)), windows[i]);
        }
    }

    function test_constructor_RevertWhen_AContractIsZero() external {
        vm.expectRevert(IAttestationRegistry.AttestationRegistry_ZeroAddress.selector);
        deploy(IImagePolicy(address(0)), ISignerSet(address(signerSet)), WINDOW);
        vm.expectRevert(IAttestationRegistry.AttestationRegistry_ZeroAddress.selector);
        deploy(policy, ISignerSet(address(0)), WINDOW);
    }

    function test_domainSeparator_IsThatOfChainAndRegistry() external {
        bytes32 here = registry.domainSeparator();
        vm.chainId(1337);
        assertTrue(registry.domainSeparator() != here, "another chain");
        assertTrue(
            deploy(policy, ISignerSet(address(signerSet)), 1).domainSeparator() != here,
            "another registry"
        );
    }

    function deploy(IImagePolicy images, ISignerSet set, uint64 window)
        private
        returns (AttestationRegistry)
    {
        return new AttestationRegistry(address(this), GUARDIAN, 0, images, set, window);
    }

    function refuseVerifier(address verifier, bytes memory reason) private {
        bytes memory call = abi.encodeCall(AttestationRegistry.addVerifier, (verifier));
        registry.propose(call);
        vm.expectRevert(reason);
        registry.execute(call);
    }
}
