// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationVerifier} from "contracts/interfaces/IAttestationVerifier.sol";
import {IDcapVerifier} from "contracts/interfaces/IDcapVerifier.sol";
import {DcapFixture} from "../DcapFixture.sol";

/// @notice No altered bit of evidence, hints or certificate is accepted: in every byte one bit, and
///         by fuzzing any. No byte is an exception.
contract DcapVerifierMutationTest is DcapFixture {
    string[7] private forms =
        ["SGX_V3", "SGX_V4", "SGX_V5", "TDX_V4", "TDX_V5_TD10", "TDX_V5_TD15", "RELAUNCH"];

    /// @dev Read once: a run of the fuzzer should not read the file again.
    bytes[7] private evidences;
    bytes[7] private hintsOf;
    bytes private pck;
    bytes private list;

    IDcapVerifier private verifier;
    bytes32 private caId;

    function setUp() external {
        load();
        verifier = deployCachedVerifier();
        caId = wordAt(".ca.id");
        pck = bytesAt(".pck.certificate");
        list = serials();
        for (uint256 i; i < forms.length; ++i) {
            evidences[i] = bytesAt(string.concat(".quotes.", forms[i], ".evidence"));
            hintsOf[i] = hints(forms[i]);
        }
    }

    function test_verify_RevertWhen_AnyByteOfSgxEvidenceIsAltered() external view {
        alterEvidence(0);
    }

    function test_verify_RevertWhen_AnyByteOfSgxV4EvidenceIsAltered() external view {
        alterEvidence(1);
    }

    function test_verify_RevertWhen_AnyByteOfSgxV5EvidenceIsAltered() external view {
        alterEvidence(2);
    }

    function test_verify_RevertWhen_AnyByteOfTdxEvidenceIsAltered() external view {
        alterEvidence(3);
    }

    function test_verify_RevertWhen_AnyByteOfTd10V5EvidenceIsAltered() external view {
        alterEvidence(4);
    }

    function test_verify_RevertWhen_AnyByteOfTd15V5EvidenceIsAltered() external view {
        alterEvidence(5);
    }

    function test_verify_RevertWhen_AnyByteOfUpdatedTd15V5EvidenceIsAltered() external view {
        alterEvidence(6);
    }

    function test_verify_RevertWhen_AnyByteOfHintsIsAltered() external view {
        for (uint256 i; i < forms.length; ++i) {
            (bytes memory evidence, bytes memory known) = (evidences[i], hintsOf[i]);
            for (uint256 j; j < known.length; ++j) {
                requireSilent(verifyCall(evidence, flipped(known, 8 * j + j % 8)), j);
            }
        }
    }

    function test_cachePck_RevertWhen_AnyByteIsAltered() external {
        (bytes memory original, bytes memory known) = (pck, list);
        for (uint256 i; i < original.length; ++i) {
            requireRefused(cachePckCall(flipped(original, 8 * i + i % 8), known), i);
        }
    }

    function test_cachePck_RevertWhen_AnyByteOfTheListIsAltered() external {
        (bytes memory certificate, bytes memory original) = (pck, list);
        for (uint256 i; i < original.length; ++i) {
            requireRefused(cachePckCall(certificate, flipped(original, 8 * i + i % 8)), i);
        }
    }

    function testFuzz_verify_RevertWhen_AnyBitIsAltered(uint256 form, bool isHint, uint256 any)
        external
        view
    {
        form = bound(form, 0, 6);
        (bytes memory evidence, bytes memory known) = (evidences[form], hintsOf[form]);
        uint256 bit = bound(any, 0, 8 * (isHint ? known.length : evidence.length) - 1);
        if (isHint) known = flipped(known, bit);
        else evidence = flipped(evidence, bit);
        requireSilent(verifyCall(evidence, known), bit);
    }

    function testFuzz_cachePck_RevertWhen_AnyBitIsAltered(uint256 any) external {
        bytes memory original = pck;
        uint256 bit = bound(any, 0, 8 * original.length - 1);
        requireRefused(cachePckCall(flipped(original, bit), list), bit);
    }

    function testFuzz_verify_RevertWhen_EvidenceIsArbitrary(bytes calldata noise) external view {
        requireSilent(verifyCall(noise, hintsOf[0]), 0);
    }

    function testFuzz_verify_RevertWhen_HintsAreArbitrary(bytes calldata noise) external view {
        requireSilent(verifyCall(evidences[0], noise), 0);
    }

    /// @dev Behind a machine that is kept and documents that are there.
    function testFuzz_verify_RevertWhen_ItemsAreArbitrary(bytes calldata noise) external view {
        bytes memory known = hintsOf[0];
        bytes memory head = new bytes(220);
        for (uint256 i; i < 220; ++i) {
            head[i] = known[i];
        }
        requireSilent(verifyCall(evidences[0], bytes.concat(head, noise)), 0);
    }

    function testFuzz_cachePck_RevertWhen_CertificateIsArbitrary(bytes calldata noise) external {
        requireRefused(cachePckCall(noise, list), 0);
    }

    /// @dev A DER head lets arbitrary bytes reach deeper into the parser.
    function testFuzz_cachePck_RevertWhen_ContentIsArbitrary(bytes calldata noise) external {
        vm.assume(noise.length < 250);
        bytes memory certificate =
            bytes.concat(hex"3081", bytes1(uint8(noise.length + 3)), hex"3081", noise, hex"00");
        requireRefused(cachePckCall(certificate, list), 0);
    }

    function alterEvidence(uint256 form) private view {
        (bytes memory evidence, bytes memory known) = (evidences[form], hintsOf[form]);
        for (uint256 i; i < evidence.length; ++i) {
            requireSilent(verifyCall(flipped(evidence, 8 * i + i % 8), known), i);
        }
    }

    function requireSilent(bytes memory call, uint256 where) private view {
        (bool isAccepted, bytes memory reason) = address(verifier).staticcall(call);
        requireReason(isAccepted, reason, where);
    }

    function requireRefused(bytes memory call, uint256 where) private {
        (bool isAccepted, bytes memory reason) = address(verifier).call(call);
        requireReason(isAccepted, reason, where);
    }

    /// @dev Refused with a typed error: at least a selector, and never a panic.
    function requireReason(bool isAccepted, bytes memory reason, uint256 where) private pure {
        assertTrue(!isAccepted, string.concat("altered and accepted at ", vm.toString(where)));
        assertTrue(reason.length > 3, string.concat("untyped refusal at ", vm.toString(where)));
        // forge-lint: disable-next-line(unsafe-typecast) the selector alone
        bytes4 selector = bytes4(reason);
        bytes4 panic = bytes4(keccak256("Panic(uint256)"));
        assertTrue(selector != panic, string.concat("panic at ", vm.toString(where)));
    }

    function verifyCall(bytes memory evidence, bytes memory known)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(IAttestationVerifier.verify, (evidence, known));
    }

    function cachePckCall(bytes memory certificate, bytes memory known)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(IDcapVerifier.cachePck, (certificate, caId, known));
    }
}
