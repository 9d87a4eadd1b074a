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

    IDcapVerifier private verifier;
    bytes32 private caId;

    function setUp() external {
        load();
        verifier = deployCachedVerifier();
        caId = wordAt(".ca.id");
    }

    function test_verify_RevertWhen_AnyByteOfSgxEvidenceIsAltered() external view {
        alterEvidence("SGX_V3");
    }

    function test_verify_RevertWhen_AnyByteOfSgxV4EvidenceIsAltered() external view {
        alterEvidence("SGX_V4");
    }

    function test_verify_RevertWhen_AnyByteOfSgxV5EvidenceIsAltered() external view {
        alterEvidence("SGX_V5");
    }

    function test_verify_RevertWhen_AnyByteOfTdxEvidenceIsAltered() external view {
        alterEvidence("TDX_V4");
    }

    function test_verify_RevertWhen_AnyByteOfTd10V5EvidenceIsAltered() external view {
        alterEvidence("TDX_V5_TD10");
    }

    function test_verify_RevertWhen_AnyByteOfTd15V5EvidenceIsAltered() external view {
        alterEvidence("TDX_V5_TD15");
    }

    function test_verify_RevertWhen_AnyByteOfUpdatedTd15V5EvidenceIsAltered() external view {
        alterEvidence("RELAUNCH");
    }

    function test_verify_RevertWhen_AnyByteOfHintsIsAltered() external view {
        for (uint256 i; i < forms.length; ++i) {
            (bytes memory evidence, bytes memory known) = quote(forms[i]);
            for (uint256 j; j < known.length; ++j) {
                requireSilent(verifyCall(evidence, flipped(known, 8 * j + j % 8)), j);
            }
        }
    }

    function test_cachePck_RevertWhen_AnyByteIsAltered() external {
        bytes memory original = bytesAt(".pck.certificate");
        bytes memory list = serials();
        for (uint256 i; i < original.length; ++i) {
            requireRefused(cachePckCall(flipped(original, 8 * i + i % 8), list), i);
        }
    }

    function test_cachePck_RevertWhen_AnyByteOfTheListIsAltered() external {
        bytes memory certificate = bytesAt(".pck.certificate");
        bytes memory original = serials();
        for (uint256 i; i < original.length; ++i) {
            requireRefused(cachePckCall(certificate, flipped(original, 8 * i + i % 8)), i);
        }
    }

    function testFuzz_verify_RevertWhen_AnyBitIsAltered(uint256 form, bool isHint, uint256 any)
        external
        view
    {
        (bytes memory evidence, bytes memory known) = quote(forms[bound(form, 0, 6)]);
        uint256 bit = bound(any, 0, 8 * (isHint ? known.length : evidence.length) - 1);
        if (isHint) known = flipped(known, bit);
        else evidence = flipped(evidence, bit);
        requireSilent(verifyCall(evidence, known), bit);
    }

    function testFuzz_cachePck_RevertWhen_AnyBitIsAltered(uint256 any) external {
        bytes memory original = bytesAt(".pck.certificate");
        uint256 bit = bound(any, 0, 8 * original.length - 1);
        requireRefused(cachePckCall(flipped(original, bit), serials()), bit);
    }

    function testFuzz_verify_RevertWhen_EvidenceIsArbitrary(bytes calldata noise) external view {
        requireSilent(verifyCall(noise, hints("SGX_V3")), 0);
    }

    function testFuzz_verify_RevertWhen_HintsAreArbitrary(bytes calldata noise) external view {
        (bytes memory evidence,) = quote("SGX_V3");
        requireSilent(verifyCall(evidence, noise), 0);
    }

    /// @dev Behind a machine that is kept and documents that are there.
    function testFuzz_verify_RevertWhen_ItemsAreArbitrary(bytes calldata noise) external view {
        (bytes memory evidence, bytes memory known) = quote("SGX_V3");
        bytes memory head = new bytes(220);
        for (uint256 i; i < 220; ++i) {
            head[i] = known[i];
        }
        requireSilent(verifyCall(evidence, bytes.concat(head, noise)), 0);
    }

    function testFuzz_cachePck_RevertWhen_CertificateIsArbitrary(bytes calldata noise) external {
        requireRefused(cachePckCall(noise, serials()), 0);
    }

    /// @dev A DER head lets arbitrary bytes reach deeper into the parser.
    function testFuzz_cachePck_RevertWhen_ContentIsArbitrary(bytes calldata noise) external {
        vm.assume(noise.length < 250);
        bytes memory certificate =
            bytes.concat(hex"3081", bytes1(uint8(noise.length + 3)), hex"3081", noise, hex"00");
        requireRefused(cachePckCall(certificate, serials()), 0);
    }

    function alterEvidence(string memory form) private view {
        (bytes memory evidence, bytes memory known) = quote(form);
        for (uint256 i; i < evidence.length; ++i) {
            requireSilent(verifyCall(flipped(evidence, 8 * i + i % 8), known), i);
        }
    }

    function quote(string memory form) private view returns (bytes memory, bytes memory) {
        return (bytesAt(string.concat(".quotes.", form, ".evidence")), hints(form));
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

    function cachePckCall(bytes memory certificate, bytes memory list)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(IDcapVerifier.cachePck, (certificate, caId, list));
    }
}
