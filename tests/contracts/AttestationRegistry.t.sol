// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    IAttestationRegistry,
    RegistrationRequest,
    SignerInfo
} from "contracts/interfaces/IAttestationRegistry.sol";
import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {Ecdsa} from "contracts/libraries/Ecdsa.sol";
import {LifeCause} from "contracts/types/LifeCause.sol";
import {TcbStatus} from "contracts/types/TcbStatus.sol";
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
            TcbStatus.UP_TO_DATE,
            MIN_NUMBER,
            verifierId,
            HEIGHT - 5,
            uint64(block.timestamp + 7 days),
            LifeCause.AGE,
            keccak256("a machine"),
            keccak256(r.evidence),
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
            keccak256(new bytes(9 * 32)),
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
        r.hints = new bytes(16_385);
        refuse(r, IAttestationRegistry.AttestationRegistry_HintsTooLong.selector);
        r = requestAt(HEIGHT - 5);
        r.endorsements = new bytes(16_385);
        refuse(r, IAttestationRegistry.AttestationRegistry_EndorsementsTooLong.selector);
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
        deploy(ISignerSet(address(signerSet)));
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

    function test_register_RevertWhen_ANumberDoesNotFitTheRecord() external {
        vm.warp(2 ** 32);
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        refuse(r, IAttestationRegistry.AttestationRegistry_OutOfRange.selector);
        vm.warp(NOW);
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
