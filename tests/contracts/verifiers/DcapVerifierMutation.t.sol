// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationVerifier} from "contracts/interfaces/IAttestationVerifier.sol";
import {IDcapVerifier} from "contracts/interfaces/IDcapVerifier.sol";
import {DcapFixture} from "../DcapFixture.sol";

/// @notice No altered bit of evidence or certificate is accepted: in every byte one bit, and by
///         fuzzing any.
contract DcapVerifierMutationTest is DcapFixture {
    IDcapVerifier private verifier;
    bytes32 private caId;
    bytes private known;

    function setUp() external {
        load();
        verifier = deployCachedVerifier();
        caId = wordAt(".ca.id");
        known = hints();
    }

    function test_verify_RevertWhen_AnyByteOfSgxEvidenceIsAltered() external view {
        alterEachByte(bytesAt(".registration.sgx0.evidence"), verifyCall);
    }

    function test_verify_RevertWhen_AnyByteOfTdxEvidenceIsAltered() external view {
        alterEachByte(bytesAt(".registration.tdx0.evidence"), verifyCall);
    }

    function test_verify_RevertWhen_AnyByteOfSgxV4EvidenceIsAltered() external view {
        alterEachByte(bytesAt(".quotes.SGX_V4.evidence"), verifyCall);
    }

    function test_verify_RevertWhen_AnyByteOfSgxV5EvidenceIsAltered() external view {
        alterEachByte(bytesAt(".quotes.SGX_V5.evidence"), verifyCall);
    }

    function test_verify_RevertWhen_AnyByteOfTd10V5EvidenceIsAltered() external view {
        alterEachByte(bytesAt(".quotes.TDX_V5_TD10.evidence"), verifyCall);
    }

    function test_verify_RevertWhen_AnyByteOfTd15V5EvidenceIsAltered() external view {
        alterEachByte(bytesAt(".quotes.TDX_V5_TD15.evidence"), verifyCall);
    }

    function test_cacheCa_RevertWhen_AnyByteIsAltered() external {
        bytes memory original = bytesAt(".ca.certificate");
        for (uint256 i; i < original.length; ++i) {
            requireRefused(cacheCaCall(flipped(original, 8 * i + i % 8)), i);
        }
    }

    function test_cachePck_RevertWhen_AnyByteIsAltered() external {
        bytes memory original = bytesAt(".pck.certificate");
        for (uint256 i; i < original.length; ++i) {
            requireRefused(cachePckCall(flipped(original, 8 * i + i % 8)), i);
        }
    }

    function testFuzz_verify_RevertWhen_AnyBitIsAltered(uint256 form, uint256 any) external view {
        string[6] memory forms =
            ["SGX_V3", "SGX_V4", "SGX_V5", "TDX_V4", "TDX_V5_TD10", "TDX_V5_TD15"];
        string memory name = forms[bound(form, 0, 5)];
        bytes memory original = bytesAt(string.concat(".quotes.", name, ".evidence"));
        uint256 bit = bound(any, 0, 8 * original.length - 1);
        requireSilent(verifyCall(flipped(original, bit)), bit);
    }

    function testFuzz_cache_RevertWhen_AnyBitIsAltered(bool isLeaf, uint256 any) external {
        bytes memory original = bytesAt(isLeaf ? ".pck.certificate" : ".ca.certificate");
        uint256 bit = bound(any, 0, 8 * original.length - 1);
        bytes memory altered = flipped(original, bit);
        requireRefused(isLeaf ? cachePckCall(altered) : cacheCaCall(altered), bit);
    }

    function testFuzz_verify_RevertWhen_EvidenceIsArbitrary(bytes calldata noise) external view {
        requireSilent(verifyCall(noise), 0);
    }

    function testFuzz_cache_RevertWhen_CertificateIsArbitrary(bytes calldata noise) external {
        requireRefused(cacheCaCall(noise), 0);
        requireRefused(cachePckCall(noise), 0);
    }

    /// @dev A DER head lets arbitrary bytes reach deeper into the parser.
    function testFuzz_cache_RevertWhen_ContentIsArbitrary(bytes calldata noise) external {
        vm.assume(noise.length < 250);
        bytes memory certificate =
            bytes.concat(hex"3081", bytes1(uint8(noise.length + 3)), hex"3081", noise, hex"00");
        requireRefused(cacheCaCall(certificate), 0);
    }

    function alterEachByte(
        bytes memory original,
        function(bytes memory) internal view returns (bytes memory) encode
    ) private view {
        for (uint256 i; i < original.length; ++i) {
            requireSilent(encode(flipped(original, 8 * i + i % 8)), i);
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

    function verifyCall(bytes memory evidence) private view returns (bytes memory) {
        return abi.encodeCall(IAttestationVerifier.verify, (evidence, known));
    }

    function cacheCaCall(bytes memory certificate) private pure returns (bytes memory) {
        return abi.encodeCall(IDcapVerifier.cacheCa, (certificate));
    }

    function cachePckCall(bytes memory certificate) private view returns (bytes memory) {
        return abi.encodeCall(IDcapVerifier.cachePck, (certificate, caId));
    }
}
