// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    IAttestationRegistry,
    RegistrationRequest,
    SignerInfo
} from "contracts/interfaces/IAttestationRegistry.sol";
import {TeeKind, Tier} from "contracts/types/Tee.sol";
import {DcapRegistration} from "./DcapRegistration.sol";

/// @notice Registrations whose evidence, report data and signature were made in Python.
contract AttestationRegistryDcapTest is DcapRegistration {
    function setUp() external {
        deployAll();
        approve("sgx0");
        approve("tdx0");
    }

    function test_register_TakesAnSgxQuote() external {
        check("sgx0", TeeKind.SGX);
    }

    function test_register_TakesATdxQuote() external {
        check("tdx0", TeeKind.TDX);
    }

    function test_register_RenewsWithANewerQuote() external {
        registry.register(requestOf("sgx0"));
        vm.warp(block.timestamp + 1 days);
        check("sgx1", TeeKind.SGX);
    }

    function test_register_RevertWhen_ReplayedAfterANewerQuote() external {
        registry.register(requestOf("tdx1"));
        RegistrationRequest memory r = requestOf("tdx0");
        vm.expectPartialRevert(IAttestationRegistry.AttestationRegistry_EvidenceNotNewer.selector);
        registry.register(r);
    }

    function test_register_RevertWhen_EvidenceIsOfAnotherRegistration() external {
        RegistrationRequest memory r = requestOf("sgx0");
        r.evidence = bytesAt(".registration.sgx1.evidence");
        vm.expectPartialRevert(IAttestationRegistry.AttestationRegistry_EvidenceForBlock.selector);
        registry.register(r);
    }

    function test_register_RevertWhen_EvidenceSaysNothing() external {
        RegistrationRequest memory r = requestOf("sgx0");
        r.evidence = bytesAt(".emptyAuth");
        vm.expectPartialRevert(IAttestationRegistry.AttestationRegistry_ReportDataVersion.selector);
        registry.register(r);
    }

    function check(string memory name, uint8 tee) private {
        RegistrationRequest memory r = requestOf(name);
        registry.register(r);
        SignerInfo memory info = registry.signerInfo(r.signer);
        assertTrue(info.valid, "valid");
        assertEq(info.operator, r.operator, "operator");
        assertEq(info.tee, tee, "TEE");
        assertEq(info.tier, Tier.DEV, "tier");
        assertEq(info.imageId, wordAt(keyOf(name, "imageId")), "image");
        assertEq(info.expiresAt, block.timestamp / 64 * 64 + MAX_AGE_S, "end");
    }
}
