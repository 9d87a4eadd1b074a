// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    IAttestationRegistry,
    RecheckRequest,
    RegistrationRequest,
    SignerInfo
} from "contracts/interfaces/IAttestationRegistry.sol";
import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {IDcapVerifier} from "contracts/interfaces/IDcapVerifier.sol";
import {IImagePolicy, Requirements} from "contracts/interfaces/IImagePolicy.sol";
import {IIntelCollateral} from "contracts/interfaces/IIntelCollateral.sol";
import {RegistrationCodec} from "contracts/libraries/RegistrationCodec.sol";
import {TcbStatus} from "contracts/types/TcbStatus.sol";
import {TeeKind} from "contracts/types/Tee.sol";
import {DcapRegistration} from "./DcapRegistration.sol";

/// @notice What others' registries and verifiers had wrong, incident by incident and audit by audit:
///         each test is named after the defect, and fails where it is. What is about certificates,
///         lists and documents is in `AttestationChecklistCertificates.t.sol`.
contract AttestationChecklistTest is DcapRegistration {
    uint256 private constant ORDER =
        0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
    uint256 private constant SGX_TAIL = 48 + 384;
    /// @dev Of the registrations' signer.
    uint256 private constant KEY = uint256(sha256("signer for tests"));
    address private constant P256_VERIFY = address(0x100);

    function setUp() external {
        deployAll();
    }

    /// @dev Genuine, and refused before anyone asks whose it is or which image.
    function test_debugBit() external {
        refuseEvidence(
            "sgx0",
            ".refusedEvidence.sgxDebug",
            IDcapVerifier.DcapVerifier_EnclaveAttributes.selector
        );
        refuseEvidence(
            "tdx0",
            ".refusedEvidence.tdxDebug",
            IDcapVerifier.DcapVerifier_TrustDomainUnderDebug.selector
        );
    }

    /// @dev Attributes that a verifier leaves free are another image.
    function test_attributesPin() external {
        approve("tdx0");
        Claims memory claims =
            verifier.verify(bytesAt(".freeAttributes"), bytesAt(keyOf("tdx0", "hints")));
        refuseClaims(
            claims,
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_NotLive.selector, claims.imageId)
        );
        refuseEvidence(
            "sgx0",
            ".refusedEvidence.sgxProvision",
            IDcapVerifier.DcapVerifier_EnclaveAttributes.selector
        );
    }

    /// @dev Another enclave of the same author, with the same product, versions and attributes.
    function test_mrSignerIsNeverSufficientAlone() external {
        approve("sgx0");
        RegistrationRequest memory other = requestOf("sgxOther");
        assertEq(mrSigner(other.evidence), mrSigner(requestOf("sgx0").evidence), "same author");
        refuseImage(other, wordAt(keyOf("sgxOther", "imageId")));
        registry.register(requestOf("sgx0"));
    }

    /// @dev Nothing is switched on later: without an approval nobody registers.
    function test_allowlistIsNotOffByDefault() external {
        refuseImage(requestOf("sgx0"), wordAt(keyOf("sgx0", "imageId")));
        approve("tdx0");
        refuseImage(requestOf("sgx0"), wordAt(keyOf("sgx0", "imageId")));
        approve("sgx0");
        registry.register(requestOf("sgx0"));
    }

    /// @dev A level that the vendor revoked: the claims say so, and no policy can take it.
    function test_revokedTcbIsNoSuccess() external {
        verifier.cachePck(bytesAt(keyOf("sgxRevoked", "certificate")), wordAt(".ca.id"), serials());
        RegistrationRequest memory r = requestOf("sgxRevoked");
        assertEq(verifier.verify(r.evidence, r.hints).tcbStatus, TcbStatus.REVOKED, "status");
        Requirements memory lax = strict();
        lax.tcbStatuses = 0x37e;
        lax.advisories = new string[](2);
        (lax.advisories[0], lax.advisories[1]) = ("INTEL-SA-00007", "INTEL-SA-00000");
        approve(wordAt(keyOf("sgxRevoked", "imageId")), TeeKind.SGX, lax);
        refuse(
            r,
            abi.encodeWithSelector(
                IImagePolicy.ImagePolicy_StatusNotAccepted.selector, TcbStatus.REVOKED, 0x37e
            )
        );
        lax.tcbStatuses |= uint16(1 << TcbStatus.REVOKED);
        bytes memory call = abi.encodeCall(
            IImagePolicy.changeRequirements, (wordAt(keyOf("sgxRevoked", "imageId")), lax)
        );
        policy.propose(call);
        vm.expectPartialRevert(IImagePolicy.ImagePolicy_StatusesOutOfRange.selector);
        policy.execute(call);
    }

    /// @dev Whatever a level's status, the signatures are still checked.
    function test_noEarlyReturnWithSuccessSet() external {
        loadCases();
        string[3] memory names = ["qeRevoked", "moduleRevoked", "qeLate"];
        for (uint256 i; i < names.length; ++i) {
            bytes memory evidence = caseAt(names[i], "evidence");
            bytes memory known = caseAt(names[i], "hints");
            verifier.verify(evidence, known);
            uint256 tail = evidence.length - 32 - 576;
            bytes4 quote = IDcapVerifier.DcapVerifier_QuoteSignature.selector;
            refuse(flipped(evidence, 8 * tail), known, quote);
            bytes4 report = IDcapVerifier.DcapVerifier_QeReportSignature.selector;
            refuse(flipped(evidence, 8 * (tail + 512)), known, report);
        }
    }

    /// @dev Another encoding of the same evidence is the same evidence.
    function test_signatureMalleabilityInReplayKeys() external {
        approve("sgx0");
        RegistrationRequest memory r = requestOf("sgx0");
        registry.register(r);
        r.evidence = malleated(r.evidence);
        verifier.verify(r.evidence, r.hints);
        refuse(
            r,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_EvidenceNotNewer.selector,
                r.refBlock,
                r.refBlock
            )
        );
        // Nor does it begin a second life: a re-check with it changes nothing.
        RecheckRequest memory again = recheckOf(r);
        vm.expectPartialRevert(IAttestationRegistry.AttestationRegistry_NothingToChange.selector);
        registry.recheck(again);
    }

    /// @dev Signed anew for the other chain, the evidence still is for this one.
    function test_domainWithoutChainId() external {
        approve("sgx0");
        RegistrationRequest memory r = requestOf("sgx0");
        bytes32 here = registry.domainSeparator();
        vm.chainId(1337);
        assertTrue(registry.domainSeparator() != here, "domain");
        vm.expectPartialRevert(IAttestationRegistry.AttestationRegistry_SignatureBy.selector);
        registry.register(r);
        consent(r);
        vm.expectPartialRevert(
            IAttestationRegistry.AttestationRegistry_EvidenceForRegistration.selector
        );
        registry.register(r);
    }

    /// @dev Neither an image nor a signer comes back.
    function test_reTrustingRevokedIds() external {
        approve("sgx0");
        registry.register(requestOf("sgx0"));
        RegistrationRequest memory newer = requestOf("sgx1");
        registry.revoke(newer.signer);
        refuse(
            newer,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_Revoked.selector, newer.signer
            )
        );
        bytes32 imageId = wordAt(keyOf("sgx0", "imageId"));
        policy.withdrawImage(imageId);
        vm.expectRevert(
            abi.encodeWithSelector(IImagePolicy.ImagePolicy_KnownImage.selector, imageId)
        );
        this.approveAgain("sgx0");
    }

    /// @dev Nobody has to bring collateral, so nobody loses anything because it ended.
    function test_pokeInvalidationUnderExpiredCollateral() external {
        approve("sgx0");
        RegistrationRequest memory r = requestOf("sgx0");
        vm.warp(numberAt(".collateral.until") - 1 days);
        registry.register(r);
        SignerInfo memory before = registry.signerInfo(r.signer);
        vm.warp(numberAt(".collateral.until") + 1);
        RecheckRequest memory again = recheckOf(r);
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_Expired.selector);
        registry.recheck(again);
        assertTrue(registry.isValid(r.signer), "still valid, for the grace");
        assertEq(registry.signerInfo(r.signer).expiresAt, before.expiresAt, "end");
        assertEq(signerSet.cleared(), 0, "hubs go on");
        vm.warp(before.expiresAt);
        assertTrue(!registry.isValid(r.signer), "and no longer");
    }

    /// @dev One word for a signer, however much is shown; the rest is in the event.
    function test_unboundedStoredEvidence() external {
        approve("sgx0");
        RegistrationRequest memory r = requestOf("sgx0");
        vm.record();
        registry.register(r);
        (, bytes32[] memory writes) = vm.accesses(address(registry));
        assertEq(writes.length, 1, "writes of the registry");
        (, writes) = vm.accesses(address(verifier));
        assertEq(writes.length, 0, "writes of the verifier");
        (, writes) = vm.accesses(address(policy));
        assertEq(writes.length, 0, "writes of the policy");
        r.evidence = new bytes(8193);
        vm.expectPartialRevert(IAttestationRegistry.AttestationRegistry_EvidenceTooLong.selector);
        registry.register(r);
    }

    /// @dev What a missing or failing precompile answers is no signature.
    function test_p256EmptyReturn() external {
        approve("sgx0");
        RegistrationRequest memory r = requestOf("sgx0");
        vm.mockCall(P256_VERIFY, "", "");
        refuse(r, abi.encodePacked(IDcapVerifier.DcapVerifier_QeReportSignature.selector));
        bytes memory certificate = bytesAt(".acceptedPck.later");
        bytes memory list = serials();
        bytes32 caId = wordAt(".ca.id");
        vm.expectPartialRevert(IDcapVerifier.DcapVerifier_CertificateSignature.selector);
        verifier.cachePck(certificate, caId, list);
    }

    /// @dev The second of two signatures gets no answer; that to the first still stands where an
    ///      answer is read too early, or not asked for its length.
    function test_yulArgumentOrder() external {
        bytes memory evidence = bytesAt(keyOf("sgx0", "evidence"));
        bytes memory known = bytesAt(keyOf("sgx0", "hints"));
        bytes memory asked = bytes.concat(
            sha256(slice(evidence, 0, SGX_TAIL)), slice(evidence, SGX_TAIL, SGX_TAIL + 128)
        );
        bytes[4] memory answers =
            [bytes(""), abi.encode(0), abi.encodePacked(uint8(1)), abi.encode(1, 1)];
        for (uint256 i; i < answers.length; ++i) {
            vm.mockCall(P256_VERIFY, asked, answers[i]);
            refuse(evidence, known, IDcapVerifier.DcapVerifier_QuoteSignature.selector);
        }
        vm.mockCall(P256_VERIFY, asked, abi.encode(1));
        verifier.verify(evidence, known);
    }

    function approveAgain(string calldata name) external {
        approve(name);
    }

    function refuseEvidence(string memory name, string memory evidence, bytes4 selector) private {
        RegistrationRequest memory r = requestOf(name);
        r.evidence = bytesAt(evidence);
        vm.expectPartialRevert(selector);
        registry.register(r);
        assertTrue(!registry.isValid(r.signer), evidence);
    }

    function refuseImage(RegistrationRequest memory r, bytes32 imageId) private {
        refuse(r, abi.encodeWithSelector(IImagePolicy.ImagePolicy_NotLive.selector, imageId));
    }

    function refuse(RegistrationRequest memory r, bytes memory reason) private {
        bytes32 before = keccak256(abi.encode(registry.signerInfo(r.signer)));
        vm.expectRevert(reason);
        registry.register(r);
        assertEq(keccak256(abi.encode(registry.signerInfo(r.signer))), before, "changed");
    }

    function refuse(bytes memory evidence, bytes memory known, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        verifier.verify(evidence, known);
    }

    function refuseClaims(Claims memory claims, bytes memory reason) private view {
        assertEq(policy.appraise(claims).refusal, reason, "refusal");
    }

    /// @dev The signer's signature for this chain.
    function consent(RegistrationRequest memory r) private view {
        bytes32 digest = RegistrationCodec.digest({
            domain: registry.domainSeparator(),
            operator: r.operator,
            hpkeKeyHash: keccak256(r.hpkePublicKey),
            refBlock: r.refBlock,
            refBlockHash: blockhash(r.refBlock)
        });
        (uint8 v, bytes32 first, bytes32 second) = vm.sign(KEY, digest);
        r.signature = abi.encodePacked(first, uint256(second) | (uint256(v - 27) << 255));
    }

    function caseAt(string memory name, string memory field) private view returns (bytes memory) {
        return vm.parseJsonBytes(cases, string.concat(".appraised.", name, ".", field));
    }

    /// @dev The quote's signature with its other s.
    function malleated(bytes memory evidence) private pure returns (bytes memory) {
        uint256 place = SGX_TAIL + 32;
        uint256 s = uint256(bytes32(slice(evidence, place, place + 32)));
        return bytes.concat(
            slice(evidence, 0, place),
            bytes32(ORDER - s),
            slice(evidence, place + 32, evidence.length)
        );
    }

    function mrSigner(bytes memory evidence) private pure returns (bytes32) {
        return bytes32(slice(evidence, 48 + 128, 48 + 160));
    }

    function slice(bytes memory data, uint256 begin, uint256 end)
        private
        pure
        returns (bytes memory part)
    {
        part = new bytes(end - begin);
        for (uint256 i; i < part.length; ++i) {
            part[i] = data[begin + i];
        }
    }
}
