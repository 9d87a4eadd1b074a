// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    IAttestationRegistry,
    RegistrationRequest,
    SignerInfo
} from "contracts/interfaces/IAttestationRegistry.sol";
import {IGoverned} from "contracts/interfaces/IGoverned.sol";
import {IImagePolicy, ImageApproval, Requirements} from "contracts/interfaces/IImagePolicy.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {BlockHistory} from "contracts/libraries/BlockHistory.sol";
import {TcbStatus} from "contracts/types/TcbStatus.sol";
import {TeeKind, Tier} from "contracts/types/Tee.sol";
import {Deploy} from "./Deploy.sol";
import {CountingSignerSet} from "./fakes/CountingSignerSet.sol";
import {DcapFixture} from "./DcapFixture.sol";

/// @notice Registrations whose evidence, report data and signature were made in Python.
contract AttestationRegistryDcapTest is DcapFixture {
    uint32 private constant MAX_AGE_S = 7 days;

    IImagePolicy private policy;
    IAttestationRegistry private registry;

    function setUp() external {
        load();
        ISignerSet signerSet = ISignerSet(address(new CountingSignerSet()));
        address wanted = vm.parseJsonAddress(json, ".registration.sgx0.registry");
        policy = Deploy.imagePolicy(
            address(this), address(this), 0, signerSet, IAttestationRegistry(wanted)
        );
        vm.prank(vm.parseJsonAddress(json, ".registration.sgx0.deployer"));
        registry = Deploy.attestationRegistry(
            address(this), address(this), 0, policy, signerSet, BlockHistory.REACH
        );
        assertEq(address(registry), wanted, "registry");
        govern(
            registry,
            abi.encodeCall(IAttestationRegistry.addVerifier, (address(deployCachedVerifier())))
        );
        approve("sgx0", TeeKind.SGX);
        approve("tdx0", TeeKind.TDX);
        vm.roll(numberAt(".registration.sgx1.refBlock") + 10);
        setHash("sgx0");
        setHash("sgx1");
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

    function requestOf(string memory name) private view returns (RegistrationRequest memory) {
        return RegistrationRequest({
            verifierId: 1,
            signer: vm.parseJsonAddress(json, keyOf(name, "signer")),
            operator: vm.parseJsonAddress(json, keyOf(name, "operator")),
            hpkePublicKey: bytesAt(keyOf(name, "hpkePublicKey")),
            refBlock: uint64(numberAt(keyOf(name, "refBlock"))),
            evidence: bytesAt(keyOf(name, "evidence")),
            hints: hints(isSgx(name) ? "SGX_V3" : "TDX_V4"),
            endorsements: "",
            signature: bytesAt(keyOf(name, "signature"))
        });
    }

    function isSgx(string memory name) private pure returns (bool) {
        return bytes(name)[0] == "s";
    }

    function keyOf(string memory name, string memory field) private pure returns (string memory) {
        return string.concat(".registration.", name, ".", field);
    }

    function setHash(string memory name) private {
        vm.setBlockhash(numberAt(keyOf(name, "refBlock")), wordAt(keyOf(name, "refBlockHash")));
    }

    function approve(string memory name, uint8 tee) private {
        Requirements memory requirements;
        requirements.maxAge_s = MAX_AGE_S;
        requirements.tcbStatuses = uint16(1 << TcbStatus.UP_TO_DATE);
        requirements.recoveryGrace_s = type(uint32).max;
        ImageApproval memory approval = ImageApproval({
            imageId: wordAt(keyOf(name, "imageId")),
            tee: tee,
            source: "https://example.org/oracle",
            commit: bytes20(uint160(0xc0ffee)),
            buildDigest: keccak256("build"),
            requirements: requirements
        });
        govern(policy, abi.encodeCall(IImagePolicy.approveImage, (approval)));
    }

    function govern(IGoverned target, bytes memory call) private {
        target.propose(call);
        target.execute(call);
    }
}
