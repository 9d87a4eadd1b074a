// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDcapVerifier} from "contracts/interfaces/IDcapVerifier.sol";
import {IIntelCollateral} from "contracts/interfaces/IIntelCollateral.sol";
import {Deploy} from "./Deploy.sol";
import {Test} from "./Vm.sol";

/// @notice Quotes, certificates and collateral of an emulated vendor, made by
///         `scripts/gen_fixtures`.
abstract contract DcapFixture is Test {
    string internal json;
    IIntelCollateral internal collateral;

    /// @dev The cases of appraisal, which are a file apart.
    string internal cases;

    function load() internal {
        json = vm.readFile("../tests/vectors/dcap.json");
        vm.chainId(numberAt(".chainId"));
        vm.warp(numberAt(".now"));
    }

    function loadCases() internal {
        cases = vm.readFile("../tests/vectors/dcap_cases.json");
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

    /// @dev Collateral that has everything.
    function deployCollateral() internal {
        deployCollateral("");
    }

    /// @dev Collateral that has everything.
    /// @param short Of which kind it has a document that ends early; none if empty.
    function deployCollateral(string memory short) internal {
        collateral = Deploy.intelCollateral(
            bytesAt(".root.certificate"), wordAt(".collateral.signerName"), true
        );
        collateral.updateRootCrl(bytesAt(pathOf("rootCrl", short)));
        bringAll(short);
    }

    /// @dev Bring all that the root's CRL stands above.
    function bringAll(string memory short) internal {
        collateral.cacheAuthority(bytesAt(".collateral.signer"));
        collateral.cacheAuthority(bytesAt(".ca.certificate"));
        collateral.updatePckCrl(bytesAt(pathOf("pckCrl", short)), wordAt(".ca.id"));
        string[2] memory tees = ["SGX", "TDX"];
        for (uint256 i; i < 2; ++i) {
            bring(IIntelCollateral.updateTcbInfo.selector, "tcbInfo", tees[i], short);
            bring(IIntelCollateral.updateQeIdentity.selector, "qeIdentity", tees[i], short);
            bring(IIntelCollateral.updateEvaluationNumbers.selector, "numbers", tees[i], short);
        }
    }

    /// @dev A verifier whose collateral has everything.
    function deployVerifier() internal returns (IDcapVerifier) {
        deployCollateral();
        return Deploy.dcapVerifier(collateral);
    }

    /// @dev A verifier that knows the machine, too.
    function deployCachedVerifier() internal returns (IDcapVerifier verifier) {
        verifier = deployVerifier();
        verifier.cachePck(bytesAt(".pck.certificate"), wordAt(".ca.id"), serials());
    }

    /// @dev Bring a document that the TCB signing certificate signed.
    /// @param which Whose; the file has what ends early of SGX alone.
    function bring(bytes4 function_, string memory kind, string memory which, string memory short)
        internal
    {
        bool isShort = same(kind, short) && same(which, "SGX");
        string memory where = isShort
            ? string.concat(".collateral.short.", kind)
            : string.concat(".collateral.", kind, ".", which);
        bytes memory call = abi.encodeWithSelector(
            function_,
            bytesAt(string.concat(where, ".text")),
            wordAt(string.concat(where, ".r")),
            wordAt(string.concat(where, ".s")),
            wordAt(".collateral.signerId")
        );
        (bool isDone,) = address(collateral).call(call);
        assertTrue(isDone, where);
    }

    function pathOf(string memory kind, string memory short) internal pure returns (string memory) {
        return string.concat(same(kind, short) ? ".collateral.short." : ".collateral.", kind);
    }

    function same(string memory a, string memory b) internal pure returns (bool) {
        return keccak256(bytes(a)) == keccak256(bytes(b));
    }

    /// @dev What the PCK CA's list holds.
    function serials() internal view returns (bytes memory) {
        return bytesAt(".collateral.serials");
    }

    /// @dev Of the machine that is up to date.
    /// @param form Of the quote: its name among the hints.
    function hints(string memory form) internal view returns (bytes memory) {
        return bytesAt(string.concat(".hints.", form));
    }

    /// @dev A copy with one bit flipped; bit 0 is the highest of the first byte.
    function flipped(bytes memory original, uint256 bit) internal pure returns (bytes memory copy) {
        copy = bytes.concat(original);
        copy[bit / 8] ^= bytes1(uint8(2 ** (7 - bit % 8)));
    }
}
