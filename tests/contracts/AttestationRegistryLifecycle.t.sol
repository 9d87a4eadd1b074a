// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    IAttestationRegistry,
    RegistrationRequest
} from "contracts/interfaces/IAttestationRegistry.sol";
import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {IGoverned} from "contracts/interfaces/IGoverned.sol";
import {IImagePolicy} from "contracts/interfaces/IImagePolicy.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {TeeKind, Tier} from "contracts/types/Tee.sol";
import {Deploy} from "./Deploy.sol";
import {FakeVerifier} from "./fakes/FakeVerifier.sol";
import {RegistrySetup} from "./RegistrySetup.sol";

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
                block.timestamp + 7 days - 64,
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
        assertEq(signerSet.signer(), signer, "for the signer");
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
        bytes memory call = abi.encodeCall(IAttestationRegistry.addVerifier, (second));
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

    function test_addVerifier_RevertWhen_EveryNumberIsTaken() external {
        // Behind the three slots of Governed lies the count of verifiers: one number is left.
        vm.store(address(registry), bytes32(uint256(3)), bytes32(uint256(type(uint16).max - 1)));
        address last = address(new FakeVerifier(Tier.DIRECT));
        govern(registry, abi.encodeCall(IAttestationRegistry.addVerifier, (last)));
        assertEq(registry.verifierAt(type(uint16).max), last, "the last number");
        refuseVerifier(
            address(new FakeVerifier(Tier.DIRECT)),
            abi.encodeWithSelector(IAttestationRegistry.AttestationRegistry_VerifiersFull.selector)
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
            address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
            ISignerSet set = ISignerSet(address(signerSet));
            IImagePolicy images =
                Deploy.imagePolicy(address(this), GUARDIAN, 0, set, IAttestationRegistry(next));
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAttestationRegistry.AttestationRegistry_RefWindowOutOfRange.selector,
                    windows[i],
                    8191
                )
            );
            deploy(images, set, windows[i]);
        }
    }

    function test_constructor_RevertWhen_SignerSetIsZero() external {
        vm.expectRevert(IAttestationRegistry.AttestationRegistry_ZeroAddress.selector);
        deploy(policy, ISignerSet(address(0)), WINDOW);
    }

    function test_constructor_RevertWhen_PolicyHasNoCode() external {
        address[2] memory empty = [address(0), address(0xbad)];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAttestationRegistry.AttestationRegistry_NoCode.selector, empty[i]
                )
            );
            deploy(IImagePolicy(empty[i]), ISignerSet(address(signerSet)), WINDOW);
        }
    }

    /// @dev A policy that tells another registry would leave this one's signers valid.
    function test_constructor_RevertWhen_PolicyNamesAnotherRegistry() external {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        vm.expectRevert(
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_ForeignPolicy.selector,
                address(registry),
                next
            )
        );
        deploy(policy, ISignerSet(address(signerSet)), WINDOW);
    }

    function test_domainSeparator_IsThatOfChainAndRegistry() external {
        bytes32 here = registry.domainSeparator();
        vm.chainId(1337);
        assertTrue(registry.domainSeparator() != here, "another chain");
        vm.chainId(31_337);
        deploy(ISignerSet(address(signerSet)));
        assertTrue(registry.domainSeparator() != here, "another registry");
    }

    function deploy(IImagePolicy images, ISignerSet set, uint64 window)
        private
        returns (IAttestationRegistry)
    {
        return Deploy.attestationRegistry(address(this), GUARDIAN, 0, images, set, window);
    }

    function refuseVerifier(address verifier, bytes memory reason) private {
        bytes memory call = abi.encodeCall(IAttestationRegistry.addVerifier, (verifier));
        registry.propose(call);
        vm.expectRevert(reason);
        registry.execute(call);
    }
}
