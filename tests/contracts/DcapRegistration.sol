// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    IAttestationRegistry,
    RecheckRequest,
    RegistrationRequest
} from "contracts/interfaces/IAttestationRegistry.sol";
import {IDcapVerifier} from "contracts/interfaces/IDcapVerifier.sol";
import {IGoverned} from "contracts/interfaces/IGoverned.sol";
import {IImagePolicy, ImageApproval, Requirements} from "contracts/interfaces/IImagePolicy.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {BlockHistory} from "contracts/libraries/BlockHistory.sol";
import {TcbStatus} from "contracts/types/TcbStatus.sol";
import {TeeKind} from "contracts/types/Tee.sol";
import {Deploy} from "./Deploy.sol";
import {DcapFixture} from "./DcapFixture.sol";
import {CountingSignerSet} from "./fakes/CountingSignerSet.sol";

/// @notice All that attests a signer, as it is shipped, and registrations made in Python.
abstract contract DcapRegistration is DcapFixture {
    uint32 internal constant MAX_AGE_S = 7 days;
    uint32 internal constant GRACE_S = 1 days;

    CountingSignerSet internal signerSet;
    IImagePolicy internal policy;
    IAttestationRegistry internal registry;
    IDcapVerifier internal verifier;

    /// @dev With the machine, and without any image.
    function deployAll() internal {
        load();
        signerSet = new CountingSignerSet();
        ISignerSet set = ISignerSet(address(signerSet));
        address wanted = vm.parseJsonAddress(json, ".registration.sgx0.registry");
        policy =
            Deploy.imagePolicy(address(this), address(this), 0, set, IAttestationRegistry(wanted));
        vm.prank(vm.parseJsonAddress(json, ".registration.sgx0.deployer"));
        registry = Deploy.attestationRegistry(
            address(this), address(this), 0, policy, set, BlockHistory.REACH
        );
        assertEq(address(registry), wanted, "registry");
        verifier = deployCachedVerifier();
        govern(registry, abi.encodeCall(IAttestationRegistry.addVerifier, (address(verifier))));
        vm.roll(numberAt(".registration.sgx1.refBlock") + 10);
        setHash("sgx0");
        setHash("sgx1");
    }

    function govern(IGoverned target, bytes memory call) internal {
        target.propose(call);
        target.execute(call);
    }

    /// @dev Up to date, under the newest number and no other.
    function strict() internal view returns (Requirements memory requirements) {
        requirements.maxAge_s = MAX_AGE_S;
        requirements.tcbStatuses = uint16(1 << TcbStatus.UP_TO_DATE);
        requirements.minEvaluationNumber = uint32(numberAt(".collateral.number"));
        requirements.collateralGrace_s = GRACE_S;
    }

    /// @dev The image of a registration.
    function approve(string memory name) internal {
        approve(wordAt(keyOf(name, "imageId")), isSgx(name) ? TeeKind.SGX : TeeKind.TDX, strict());
    }

    function approve(bytes32 imageId, uint8 tee, Requirements memory requirements) internal {
        ImageApproval memory approval = ImageApproval({
            imageId: imageId,
            tee: tee,
            source: "https://example.org/oracle",
            commit: bytes20(uint160(0xc0ffee)),
            buildDigest: keccak256("build"),
            requirements: requirements
        });
        govern(policy, abi.encodeCall(IImagePolicy.approveImage, (approval)));
    }

    function requestOf(string memory name) internal view returns (RegistrationRequest memory) {
        return RegistrationRequest({
            verifierId: 1,
            signer: vm.parseJsonAddress(json, keyOf(name, "signer")),
            operator: vm.parseJsonAddress(json, keyOf(name, "operator")),
            hpkePublicKey: bytesAt(keyOf(name, "hpkePublicKey")),
            refBlock: uint64(numberAt(keyOf(name, "refBlock"))),
            evidence: bytesAt(keyOf(name, "evidence")),
            hints: bytesAt(keyOf(name, "hints")),
            endorsements: "",
            signature: bytesAt(keyOf(name, "signature"))
        });
    }

    /// @dev The evidence of a registration, shown again.
    function recheckOf(RegistrationRequest memory r) internal view returns (RecheckRequest memory) {
        return RecheckRequest({
            verifierId: r.verifierId,
            signer: r.signer,
            hpkeKeyHash: keccak256(r.hpkePublicKey),
            refBlockHash: blockhash(r.refBlock),
            evidence: r.evidence,
            hints: r.hints,
            endorsements: r.endorsements
        });
    }

    function isSgx(string memory name) internal pure returns (bool) {
        return bytes(name)[0] == "s";
    }

    function keyOf(string memory name, string memory field) internal pure returns (string memory) {
        return string.concat(".registration.", name, ".", field);
    }

    function setHash(string memory name) private {
        vm.setBlockhash(numberAt(keyOf(name, "refBlock")), wordAt(keyOf(name, "refBlockHash")));
    }
}
