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
import {IIntelCollateral} from "contracts/interfaces/IIntelCollateral.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {TcbStatus} from "contracts/types/TcbStatus.sol";

import {Deploy} from "./Deploy.sol";
import {Test, Vm} from "./Vm.sol";

/// @notice Figures of the attestation's gas table: whole transactions with their calldata. forge compares each with
///         `contracts/snapshots/attestation.json` and fails on any difference; `scripts/bench attestation --update`
///         writes that file. Certificates, collateral and quotes are those of `attestation_gas.json`, which
///         `scripts/gen_fixtures` makes of an emulated vendor in the size and shape of Intel's.
abstract contract AttestationGasSetup is Test {
    uint64 private constant HEIGHT = 1_000_060;

    string private json;
    bytes32 internal caId;
    IIntelCollateral internal collateral;
    IDcapVerifier internal verifier;
    ISignerSet internal signerSet;
    IImagePolicy internal policy;
    IAttestationRegistry internal registry;

    function load() internal {
        json = vm.readFile("../tests/vectors/attestation_gas.json");
        vm.chainId(numberAt(".chainId"));
        vm.roll(HEIGHT);
        moveTo("first");
        caId = wordAt(".caId");
        bytes memory root = bytesAt(".root");
        collateral = Deploy.intelCollateral(root, wordAt(".signerName"), true);
    }

    /// @dev A minute after something was issued.
    function moveTo(string memory issue) internal {
        vm.warp(numberAt(string.concat(".issuedAt.", issue)) + 60);
    }

    /// @dev Collateral of both TEEs, the registry with its verifier, both images.
    function deployAll() internal {
        load();
        collateral.updateRootCrl(bytesAt(".collateral.first.rootCrl"));
        collateral.cacheAuthority(bytesAt(".signer"));
        collateral.cacheAuthority(bytesAt(".ca"));
        bring("first");
        verifier = Deploy.dcapVerifier(collateral);
        address wanted = vm.parseJsonAddress(json, ".registration.sgx0.registry");
        address seats = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        policy = Deploy.imagePolicy(
            address(this), address(this), 0, ISignerSet(seats), IAttestationRegistry(wanted)
        );
        signerSet = Deploy.signerSet(
            address(this), address(this), 0, IAttestationRegistry(wanted), policy, 0
        );
        vm.prank(vm.parseJsonAddress(json, ".deployer"));
        registry = Deploy.attestationRegistry(
            address(this), address(this), 0, policy, ISignerSet(seats), 8191
        );
        assertEq(address(registry), wanted, "registry");
        assertEq(address(signerSet), seats, "signer set");
        govern(registry, abi.encodeCall(IAttestationRegistry.addVerifier, (address(verifier))));
        string[2] memory names = ["sgx0", "tdx0"];
        for (uint256 i; i < 2; ++i) {
            approve(names[i]);
        }
        string[2] memory blocks = ["sgx0", "sgx1"];
        for (uint256 i; i < 2; ++i) {
            bytes32 hash = wordAt(keyOf(blocks[i], "refBlockHash"));
            vm.setBlockhash(numberAt(keyOf(blocks[i], "refBlock")), hash);
        }
    }

    /// @dev Everything that was published in an issue, but the root's list and certificates.
    function bring(string memory issue) internal {
        string memory where = string.concat(".collateral.", issue);
        collateral.updatePckCrl(bytesAt(string.concat(where, ".pckCrl")), caId);
        string[2] memory tees = ["sgx", "tdx"];
        for (uint256 i; i < 2; ++i) {
            send(address(collateral), documentOf(issue, "tcbInfo", tees[i]));
            send(address(collateral), documentOf(issue, "qeIdentity", tees[i]));
            send(address(collateral), documentOf(issue, "numbers", tees[i]));
        }
    }

    function documentOf(string memory issue, string memory kind, string memory tee)
        internal
        view
        returns (bytes memory)
    {
        bytes4 function_ = IIntelCollateral.updateEvaluationNumbers.selector;
        if (bytes(kind)[0] == "t") function_ = IIntelCollateral.updateTcbInfo.selector;
        if (bytes(kind)[0] == "q") function_ = IIntelCollateral.updateQeIdentity.selector;
        string memory where = string.concat(".collateral.", issue, ".", kind, ".", tee);
        return abi.encodeWithSelector(
            function_,
            bytesAt(string.concat(where, ".text")),
            wordAt(string.concat(where, ".r")),
            wordAt(string.concat(where, ".s")),
            wordAt(".signerId")
        );
    }

    function cachePck() internal {
        verifier.cachePck(bytesAt(".pck"), caId, serials());
    }

    function serials() internal view returns (bytes memory) {
        return bytesAt(".collateral.first.serials");
    }

    /// @param name Of the registration: a TEE and which of its two blocks.
    /// @param isCold Whether the machine's certificate is brought with it.
    function registrationOf(string memory name, bool isCold) internal view returns (bytes memory) {
        bytes memory endorsements;
        if (isCold) endorsements = abi.encode(bytesAt(".pck"), caId, serials());
        RegistrationRequest memory r = RegistrationRequest({
            verifierId: 1,
            signer: signerOf(name),
            operator: vm.parseJsonAddress(json, ".operator"),
            hpkePublicKey: bytesAt(".hpkePublicKey"),
            refBlock: uint64(numberAt(keyOf(name, "refBlock"))),
            evidence: bytesAt(keyOf(name, "evidence")),
            hints: bytesAt(keyOf(name, "hints.first")),
            endorsements: endorsements,
            signature: bytesAt(keyOf(name, "signature"))
        });
        return abi.encodeCall(IAttestationRegistry.register, (r));
    }

    /// @param issue Of the collateral that is shown.
    function recheckOf(string memory name, string memory issue)
        internal
        view
        returns (bytes memory)
    {
        RecheckRequest memory r = RecheckRequest({
            verifierId: 1,
            signer: signerOf(name),
            hpkeKeyHash: keccak256(bytesAt(".hpkePublicKey")),
            refBlockHash: wordAt(keyOf(name, "refBlockHash")),
            evidence: bytesAt(keyOf(name, "evidence")),
            hints: bytesAt(keyOf(name, string.concat("hints.", issue))),
            endorsements: ""
        });
        return abi.encodeCall(IAttestationRegistry.recheck, (r));
    }

    function signerOf(string memory name) internal view returns (address) {
        return vm.parseJsonAddress(json, keyOf(name, "signer"));
    }

    /// @return Gas of the whole transaction.
    function send(address where, bytes memory call) internal returns (uint256) {
        (bool isDone, bytes memory answer) = where.call(call);
        if (!isDone) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
        return vm.lastCallGas().gasTotalUsed;
    }

    function bytesAt(string memory key) internal view returns (bytes memory) {
        return vm.parseJsonBytes(json, key);
    }

    function wordAt(string memory key) internal view returns (bytes32) {
        return vm.parseJsonBytes32(json, key);
    }

    function numberAt(string memory key) internal view returns (uint256) {
        return vm.parseJsonUint(json, key);
    }

    /// @param operation The row of the table; `scripts/benches/attestation.py` has its target.
    function record(string memory operation, uint256 gas) internal {
        vm.snapshotValue("attestation", operation, gas);
    }

    function approve(string memory name) private {
        Requirements memory requirements;
        requirements.maxAge_s = 60 days;
        requirements.tcbStatuses = uint16(1 << TcbStatus.UP_TO_DATE);
        requirements.minEvaluationNumber = 17;
        requirements.recoveryGrace_s = 7 days;
        ImageApproval memory approval = ImageApproval({
            imageId: wordAt(keyOf(name, "imageId")),
            tee: uint8(numberAt(keyOf(name, "tee"))),
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

    function keyOf(string memory name, string memory field) private pure returns (string memory) {
        return string.concat(".registration.", name, ".", field);
    }
}

/// @notice Collateral that the contract did not have, in the order in which it is brought.
/// forge-config: default.isolate = true
contract CollateralGasTest is AttestationGasSetup {
    function test_updates_FromEmpty() external {
        load();
        _record(
            "root CRL",
            abi.encodeCall(collateral.updateRootCrl, (bytesAt(".collateral.first.rootCrl")))
        );
        _record(
            "TCB signing certificate",
            abi.encodeCall(collateral.cacheAuthority, (bytesAt(".signer")))
        );
        _record("PCK CA", abi.encodeCall(collateral.cacheAuthority, (bytesAt(".ca"))));
        assertEq(serials().length, 57 * 20, "57 serial numbers");
        _record(
            "PCK CRL, 57 serials",
            abi.encodeCall(collateral.updatePckCrl, (bytesAt(".collateral.first.pckCrl"), caId))
        );
        assertEq(
            bytesAt(".collateral.first.tcbInfo.sgx.text").length, 6578, "like the recorded one"
        );
        _record("TCB info, SGX, 6,578 bytes", documentOf("first", "tcbInfo", "sgx"));
        _record("TCB info, TDX, 2,978 bytes", documentOf("first", "tcbInfo", "tdx"));
        _record("QE identity, 6 levels", documentOf("first", "qeIdentity", "sgx"));
        _record("evaluation numbers, 1", documentOf("first", "numbers", "sgx"));
    }

    function _record(string memory operation, bytes memory call) private {
        record(operation, send(address(collateral), call));
    }
}

/// @notice A machine, and registrations on it.
/// forge-config: default.isolate = true
contract RegistrationGasTest is AttestationGasSetup {
    function setUp() external {
        deployAll();
    }

    function test_cachePck() external {
        bytes memory call = abi.encodeCall(verifier.cachePck, (bytesAt(".pck"), caId, serials()));
        record("cache PCK, list of 57 serials", send(address(verifier), call));
    }

    function test_evictPck() external {
        cachePck();
        moveTo("later");
        collateral.updatePckCrl(bytesAt(".evicting.pckCrl"), caId);
        bytes memory listed = bytesAt(".evicting.serials");
        bytes memory call = abi.encodeCall(verifier.evictPck, (bytesAt(".pck"), caId, listed));
        record("evict PCK, list of 58 serials", send(address(verifier), call));
    }

    function test_register_Sgx() external {
        cachePck();
        _recordRegistration("register SGX", "sgx0");
    }

    function test_register_Tdx() external {
        cachePck();
        _recordRegistration("register TDX", "tdx0");
    }

    function test_register_ColdSgx() external {
        record("cold start SGX, with event", send(address(registry), registrationOf("sgx0", true)));
    }

    function test_register_ColdTdx() external {
        record("cold start TDX, with event", send(address(registry), registrationOf("tdx0", true)));
    }

    function test_register_Renewal() external {
        cachePck();
        send(address(registry), registrationOf("sgx0", false));
        vm.warp(block.timestamp + 1 days);
        record("renew SGX, with event", send(address(registry), registrationOf("sgx1", false)));
    }

    /// @dev The event apart: a log costs 375 gas, as much for each topic, and 8 for each byte.
    function _recordRegistration(string memory operation, string memory name) private {
        bytes memory call = registrationOf(name, false);
        vm.recordLogs();
        uint256 gas = send(address(registry), call);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 1, "one event");
        uint256 ofEvent = 375 + 375 * logs[0].topics.length + 8 * logs[0].data.length;
        assertTrue(registry.isValid(signerOf(name)), "valid");
        record(string.concat(operation, ", without event"), gas - ofEvent);
        record(string.concat(operation, ", its event"), ofEvent);
    }
}

/// @notice What becomes of a registered signer.
/// forge-config: default.isolate = true
contract LifecycleGasTest is AttestationGasSetup {
    function setUp() external {
        deployAll();
        cachePck();
        send(address(registry), registrationOf("sgx0", false));
    }

    function test_recheck_WithNewerCollateral() external {
        moveTo("later");
        bring("later");
        (uint256 before,) = registry.lifeLeft(signerOf("sgx0"));
        record("recheck SGX, extended", send(address(registry), recheckOf("sgx0", "later")));
        (uint256 left,) = registry.lifeLeft(signerOf("sgx0"));
        assertEq(left, before + 10 days, "ten days more");
    }

    function test_recheck_AfterARecovery() external {
        moveTo("recovered");
        bring("recovered");
        vm.warp(block.timestamp + 8 days);
        assertTrue(registry.isValid(signerOf("sgx0")), "still");
        record("recheck SGX, suspended", send(address(registry), recheckOf("sgx0", "recovered")));
        assertTrue(!registry.isValid(signerOf("sgx0")), "no longer");
    }

    function test_revoke() external {
        bytes memory call = abi.encodeCall(registry.revoke, (signerOf("sgx0")));
        record("revoke, no seat", send(address(registry), call));
    }
}
