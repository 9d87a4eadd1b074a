// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDcapVerifier, QuotingEnclave, TrustAnchor} from "contracts/interfaces/IDcapVerifier.sol";
import {Deploy} from "./Deploy.sol";
import {Test} from "./Vm.sol";

/// @notice Quotes and certificates of an emulated vendor, made by `scripts/gen_fixtures`.
abstract contract DcapFixture is Test {
    string internal json;

    function load() internal {
        json = vm.readFile("../tests/vectors/dcap.json");
        vm.chainId(numberAt(".chainId"));
        vm.warp(numberAt(".now"));
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

    function anchor() internal view returns (TrustAnchor memory) {
        return TrustAnchor({
            x: wordAt(".root.x"),
            y: wordAt(".root.y"),
            nameHash: wordAt(".root.nameHash"),
            notAfter: uint64(numberAt(".root.notAfter"))
        });
    }

    function quotingEnclave() internal view returns (QuotingEnclave memory) {
        return QuotingEnclave({
            mrSigner: wordAt(".qe.mrSigner"),
            sgxProdId: uint16(numberAt(".qe.sgxProdId")),
            tdxProdId: uint16(numberAt(".qe.tdxProdId"))
        });
    }

    function deployVerifier() internal returns (IDcapVerifier) {
        return Deploy.dcapVerifier(anchor(), quotingEnclave());
    }

    /// @dev A verifier that knows the machine.
    function deployCachedVerifier() internal returns (IDcapVerifier verifier) {
        verifier = deployVerifier();
        verifier.cachePck(bytesAt(".pck.certificate"), verifier.cacheCa(bytesAt(".ca.certificate")));
    }

    function hints() internal view returns (bytes memory) {
        return abi.encode(wordAt(".pck.id"));
    }

    /// @dev A copy with one bit flipped; bit 0 is the highest of the first byte.
    function flipped(bytes memory original, uint256 bit) internal pure returns (bytes memory copy) {
        copy = bytes.concat(original);
        copy[bit / 8] ^= bytes1(uint8(2 ** (7 - bit % 8)));
    }
}
