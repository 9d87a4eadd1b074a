// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    IAttestationRegistry,
    RecheckRequest,
    RegistrationRequest
} from "contracts/interfaces/IAttestationRegistry.sol";
import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {IGoverned} from "contracts/interfaces/IGoverned.sol";
import {IImagePolicy, ImageApproval, Requirements} from "contracts/interfaces/IImagePolicy.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {TcbStatus} from "contracts/types/TcbStatus.sol";
import {TeeKind, Tier} from "contracts/types/Tee.sol";
import {Deploy} from "./Deploy.sol";
import {CountingSignerSet} from "./fakes/CountingSignerSet.sol";
import {FakeVerifier} from "./fakes/FakeVerifier.sol";
import {Test} from "./Vm.sol";

/// @notice A registry whose verifier claims what the test wants, and registrations for it.
abstract contract RegistrySetup is Test {
    address internal constant GUARDIAN = address(0x6a);
    address internal constant OPERATOR = address(0x0e);
    bytes32 internal constant IMAGE = keccak256("an image");
    bytes internal constant HPKE_KEY =
        hex"5858585858585858585858585858585858585858585858585858585858585858";
    uint256 internal constant KEY = uint256(keccak256("signer for tests"));
    uint64 internal constant WINDOW = 100;
    uint64 internal constant HEIGHT = 1_000_000;
    uint32 internal constant MIN_NUMBER = 17;
    uint32 internal constant RECOVERY_GRACE_S = 7 days;
    uint32 internal constant COLLATERAL_GRACE_S = 1 days;
    /// @dev A multiple of 64, the registry's unit of time.
    uint256 internal constant NOW = 1_900_000_000 / 64 * 64;

    CountingSignerSet internal signerSet;
    IImagePolicy internal policy;
    IAttestationRegistry internal registry;
    address internal signer;
    uint16 internal verifierId;

    function setUp() public virtual {
        vm.chainId(31_337);
        vm.warp(NOW);
        vm.roll(HEIGHT);
        signer = vm.addr(KEY);
        signerSet = new CountingSignerSet();
        deploy(ISignerSet(address(signerSet)));
        verifierId = addVerifier(address(new FakeVerifier(Tier.DIRECT)));
        approve(IMAGE, TeeKind.SGX, 7 days);
        for (uint64 age = 1; age < 10; ++age) {
            setHash(HEIGHT - age);
        }
    }

    /// @dev A policy and a registry that name each other.
    function deploy(ISignerSet set) internal {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        policy = Deploy.imagePolicy(address(this), GUARDIAN, 0, set, IAttestationRegistry(next));
        registry = Deploy.attestationRegistry(address(this), GUARDIAN, 0, policy, set, WINDOW);
    }

    function govern(IGoverned target, bytes memory call) internal {
        target.propose(call);
        target.execute(call);
    }

    function addVerifier(address verifier) internal returns (uint16 id) {
        govern(registry, abi.encodeCall(IAttestationRegistry.addVerifier, (verifier)));
        for (id = 1; registry.verifierAt(id) != verifier; ++id) {}
    }

    /// @dev Up to date, no advisories, a day's grace for collateral and a week's for recovery.
    function strict(uint32 maxAge_s) internal pure returns (Requirements memory requirements) {
        requirements.maxAge_s = maxAge_s;
        requirements.tcbStatuses = uint16(1 << TcbStatus.UP_TO_DATE);
        requirements.minEvaluationNumber = MIN_NUMBER;
        requirements.recoveryGrace_s = RECOVERY_GRACE_S;
        requirements.collateralGrace_s = COLLATERAL_GRACE_S;
    }

    function approve(bytes32 imageId, uint8 tee, uint32 maxAge_s) internal {
        ImageApproval memory approval = ImageApproval({
            imageId: imageId,
            tee: tee,
            source: "https://example.org/oracle",
            commit: bytes20(uint160(0xc0ffee)),
            buildDigest: keccak256("build"),
            requirements: strict(maxAge_s)
        });
        govern(policy, abi.encodeCall(IImagePolicy.approveImage, (approval)));
    }

    function setHash(uint256 height) internal {
        vm.setBlockhash(height, hashOf(height));
    }

    function hashOf(uint256 height) internal pure returns (bytes32) {
        return keccak256(abi.encode("block", height));
    }

    /// @dev H of DESIGN: written out here, so that the contract's own code is not its own judge.
    function bindingOf(RegistrationRequest memory r) internal view returns (bytes32) {
        bytes32 extension = keccak256(abi.encode(r.operator, keccak256(r.hpkePublicKey)));
        return keccak256(
            abi.encode(
                keccak256("confidential-oracle.registration.v1"),
                block.chainid,
                address(registry),
                r.signer,
                hashOf(r.refBlock),
                extension
            )
        );
    }

    function claimsFor(RegistrationRequest memory r) internal view returns (Claims memory claims) {
        claims.tee = TeeKind.SGX;
        claims.tier = Tier.DIRECT;
        claims.imageId = IMAGE;
        claims.hwId = keccak256("a machine");
        claims.tcbStatus = TcbStatus.UP_TO_DATE;
        claims.evaluationNumber = MIN_NUMBER;
        claims.publicSince = uint64(NOW - 180 days);
        claims.supersededAt = type(uint64).max;
        claims.notAfter = uint64(block.timestamp + 365 days);
        claims.collateralUntil = uint64(block.timestamp + 365 days);
        bytes memory data = abi.encodePacked(r.signer, r.refBlock, bindingOf(r), uint32(1));
        (claims.reportData0, claims.reportData1) = abi.decode(data, (bytes32, bytes32));
    }

    /// @dev A sound registration of the test's signer at a height.
    function requestAt(uint64 refBlock) internal view returns (RegistrationRequest memory r) {
        r.verifierId = verifierId;
        r.signer = signer;
        r.operator = OPERATOR;
        r.hpkePublicKey = HPKE_KEY;
        r.refBlock = refBlock;
        prove(r);
    }

    /// @dev Evidence and signature for what the request says now.
    function prove(RegistrationRequest memory r) internal view {
        r.evidence = abi.encode(claimsFor(r));
        consent(r, KEY);
    }

    /// @dev The evidence of a registration, shown again, with what a verifier now says of it.
    function recheckOf(RegistrationRequest memory r, Claims memory claims)
        internal
        pure
        returns (RecheckRequest memory)
    {
        return RecheckRequest({
            verifierId: r.verifierId,
            signer: r.signer,
            hpkeKeyHash: keccak256(r.hpkePublicKey),
            refBlockHash: hashOf(r.refBlock),
            evidence: abi.encode(claims),
            hints: "",
            endorsements: ""
        });
    }

    /// @dev Of the test's image.
    function change(Requirements memory requirements) internal {
        govern(policy, abi.encodeCall(IImagePolicy.changeRequirements, (IMAGE, requirements)));
    }

    function consent(RegistrationRequest memory r, uint256 key) internal view {
        (uint8 v, bytes32 s0, bytes32 s1) = vm.sign(key, digestOf(r));
        r.signature = abi.encodePacked(s0, uint256(s1) | (uint256(v - 27) << 255));
    }

    function digestOf(RegistrationRequest memory r) internal view returns (bytes32) {
        bytes32 domain = domainOf(address(registry));
        bytes32 hash = keccak256(
            abi.encode(
                keccak256(
                    "Registration(address operator,bytes32 hpkeKeyHash,uint64 refBlock,bytes32 refBlockHash)"
                ),
                r.operator,
                keccak256(r.hpkePublicKey),
                r.refBlock,
                hashOf(r.refBlock)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, hash));
    }

    /// @dev The EIP-712 domain of a contract on this chain, written out apart from the contracts' own code.
    function domainOf(address where) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("ConfidentialOracle"),
                keccak256("1"),
                block.chainid,
                where
            )
        );
    }
}
