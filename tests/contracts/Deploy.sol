// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorV3Interface} from "contracts/interfaces/AggregatorV3Interface.sol";
import {IAggregatorV3Facade} from "contracts/interfaces/IAggregatorV3Facade.sol";
import {IAttestationRegistry} from "contracts/interfaces/IAttestationRegistry.sol";
import {IDcapVerifier} from "contracts/interfaces/IDcapVerifier.sol";
import {HubConfig, IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {IImagePolicy} from "contracts/interfaces/IImagePolicy.sol";
import {IIntelCollateral} from "contracts/interfaces/IIntelCollateral.sol";
import {IPriceConsumer} from "contracts/interfaces/IPriceConsumer.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {Vm} from "./Vm.sol";

/// @notice Creates contracts from the shipped bytecode, which `forge build` left in contracts/out. Tests that
///         say `new FeedHub(...)` would compile it again, for the tests' own compiler profile.
/// @dev What a constructor reverts with is passed on, so that `vm.expectRevert` sees it.
library Deploy {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function feedHub(
        address governance,
        address guardian,
        uint256 minDelay_s,
        ISignerSet signers,
        HubConfig memory config
    ) internal returns (IFeedHub) {
        bytes memory arguments = abi.encode(governance, guardian, minDelay_s, signers, config);
        return IFeedHub(shipped("FeedHub", arguments));
    }

    function signerSet(
        address governance,
        address guardian,
        uint256 minDelay_s,
        IAttestationRegistry registry,
        IImagePolicy images,
        uint256 reseatInterval_s
    ) internal returns (ISignerSet) {
        bytes memory arguments = abi.encode(
            governance, guardian, minDelay_s, registry, images, reseatInterval_s
        );
        return ISignerSet(shipped("SignerSet", arguments));
    }

    function attestationRegistry(
        address governance,
        address guardian,
        uint256 minDelay_s,
        IImagePolicy images,
        ISignerSet signers,
        uint64 maxRefBlocks
    ) internal returns (IAttestationRegistry) {
        bytes memory arguments = abi.encode(
            governance, guardian, minDelay_s, images, signers, maxRefBlocks
        );
        return IAttestationRegistry(shipped("AttestationRegistry", arguments));
    }

    function imagePolicy(
        address governance,
        address guardian,
        uint256 minDelay_s,
        ISignerSet signers,
        IAttestationRegistry registry
    ) internal returns (IImagePolicy) {
        bytes memory arguments = abi.encode(governance, guardian, minDelay_s, signers, registry);
        return IImagePolicy(shipped("ImagePolicy", arguments));
    }

    function dcapVerifier(IIntelCollateral collateral) internal returns (IDcapVerifier) {
        return IDcapVerifier(shipped("DcapVerifier", abi.encode(collateral)));
    }

    function intelCollateral(bytes memory root, bytes32 signerName, bool hasPrecompile)
        internal
        returns (IIntelCollateral)
    {
        bytes memory arguments = abi.encode(root, signerName, hasPrecompile);
        return IIntelCollateral(shipped("IntelCollateral", arguments));
    }

    function aggregatorV3Facade(
        IFeedHub hub,
        bytes32 feedId,
        uint32 maxAge_s,
        string memory description
    ) internal returns (IAggregatorV3Facade) {
        return facade(hub, feedId, 0, maxAge_s, description);
    }

    /// @dev Of one of the two: a feed or an alias.
    function facade(
        IFeedHub hub,
        bytes32 feedId,
        bytes32 aliasName,
        uint32 maxAge_s,
        string memory description
    ) internal returns (IAggregatorV3Facade) {
        bytes memory arguments = abi.encode(hub, feedId, aliasName, maxAge_s, description);
        return IAggregatorV3Facade(shipped("AggregatorV3Facade", arguments));
    }

    function priceConsumer(AggregatorV3Interface feed, uint32 maxAge_s)
        internal
        returns (IPriceConsumer)
    {
        return IPriceConsumer(shipped("PriceConsumer", abi.encode(feed, maxAge_s)));
    }

    /// @dev Any contract under contracts/src, from the encoded arguments of its constructor.
    function shipped(string memory name, bytes memory arguments) internal returns (address made) {
        bytes memory code = bytes.concat(VM.getCode(artifact(name)), arguments);
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
            if iszero(made) {
                let free := mload(64)
                returndatacopy(free, 0, returndatasize())
                revert(free, returndatasize())
            }
        }
    }

    /// @dev Where the default profile's build leaves a contract; for `scripts/coverage`, its name among what
    ///      was compiled with the tests.
    function artifact(string memory name) internal view returns (string memory) {
        if (VM.envOr("ORACLE_COVERAGE", false)) return string.concat(name, ".sol:", name);
        return string.concat("out/", name, ".sol/", name, ".json");
    }
}
