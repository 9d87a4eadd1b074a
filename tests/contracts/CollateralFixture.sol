// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIntelCollateral} from "contracts/interfaces/IIntelCollateral.sol";
import {Deploy} from "./Deploy.sol";
import {Test} from "./Vm.sol";

/// @notice What an emulated vendor signs about its platforms, made by `scripts/gen_fixtures`.
abstract contract CollateralFixture is Test {
    string internal constant LARGEST = "../tests/vectors/collateral_largest.json";
    string internal constant TIMELINE = "../tests/vectors/collateral_timeline.json";

    string internal json;
    IIntelCollateral internal collateral;
    bytes32 internal signerId;
    bytes32 internal caId;

    function load() internal {
        json = vm.readFile("../tests/vectors/collateral.json");
        vm.chainId(numberAt(".chainId"));
        vm.warp(numberAt(".now"));
        signerId = wordAt(".signer.id");
        caId = wordAt(".ca.id");
    }

    /// @dev The contract under the vendor's root, empty.
    function deploy() internal {
        collateral = IIntelCollateral(Deploy.shipped("IntelCollateral", _arguments()));
    }

    /// @dev With the root's first CRL, the TCB signing certificate and the PCK CA.
    function deployReady() internal {
        deploy();
        collateral.updateRootCrl(bytesAt(".rootCrls.first.der"));
        assertEq(
            collateral.cacheAuthority(bytesAt(".signer.certificate")), signerId, "TCB signer's id"
        );
        assertEq(collateral.cacheAuthority(bytesAt(".ca.certificate")), caId, "CA's id");
    }

    /// @dev Bring a document of the fixture, with its own signature.
    function bring(string memory document) internal {
        (bool isDone, bytes memory reason) = address(collateral).call(callOf(document, signerId));
        if (!isDone) revertWith(reason);
    }

    /// @dev What brings a document under a certificate.
    function callOf(string memory document, bytes32 by) internal view returns (bytes memory) {
        bytes32 r = wordAt(string.concat(document, ".r"));
        bytes32 s = wordAt(string.concat(document, ".s"));
        return callWith(kindOf(document), textOf(document), r, s, by);
    }

    /// @dev What brings a text, which the vendor's key signs here.
    function callSigned(uint256 kind, bytes memory text) internal view returns (bytes memory) {
        (bytes32 r, bytes32 s) = vm.signP256(uint256(wordAt(".signerKey")), sha256(text));
        return callWith(kind, text, r, s, signerId);
    }

    function callWith(uint256 kind, bytes memory text, bytes32 r, bytes32 s, bytes32 by)
        internal
        pure
        returns (bytes memory)
    {
        bytes4[3] memory selectors = [
            IIntelCollateral.updateTcbInfo.selector,
            IIntelCollateral.updateQeIdentity.selector,
            IIntelCollateral.updateEvaluationNumbers.selector
        ];
        return abi.encodeWithSelector(selectors[kind - 1], text, r, s, by);
    }

    /// @dev A call that must revert with exactly this.
    function refuse(bytes memory call, bytes memory reason) internal {
        (bool isDone, bytes memory seen) = address(collateral).call(call);
        assertTrue(!isDone, "accepted");
        assertEq(seen, reason, "reason");
    }

    /// @dev A call that must revert with this error, whatever it says.
    function refuse(bytes memory call, bytes4 selector) internal {
        (bool isDone, bytes memory seen) = address(collateral).call(call);
        assertTrue(!isDone, "accepted");
        assertTrue(seen.length >= 4, "no reason");
        assertEq(bytes32(bytes4(seen)), bytes32(selector), "error");
    }

    function kindOf(string memory document) internal view returns (uint256) {
        return numberAt(string.concat(document, ".kind"));
    }

    function textOf(string memory document) internal view returns (bytes memory) {
        return bytesAt(string.concat(document, ".text"));
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

    /// @dev A serial number or a digest of the fixture.
    function halfAt(string memory key) internal view returns (bytes16) {
        return bytes16(bytesAt(key));
    }

    function serialAt(string memory key) internal view returns (uint160) {
        return uint160(bytes20(bytesAt(key)));
    }

    /// @dev A copy with one bit flipped; bit 0 is the highest of the first byte.
    function flipped(bytes memory original, uint256 bit) internal pure returns (bytes memory copy) {
        copy = bytes.concat(original);
        copy[bit / 8] ^= bytes1(uint8(2 ** (7 - bit % 8)));
    }

    /// @dev The text with the first occurrence of a piece replaced; there must be one.
    function replaced(bytes memory text, bytes memory piece, bytes memory by)
        internal
        pure
        returns (bytes memory)
    {
        uint256 place = find(text, piece);
        bytes memory head = slice(text, 0, place);
        return bytes.concat(head, by, slice(text, place + piece.length, text.length));
    }

    /// @dev Where a piece begins for the first time; it must be there.
    function find(bytes memory text, bytes memory piece) internal pure returns (uint256) {
        for (uint256 place; place + piece.length <= text.length; ++place) {
            uint256 i;
            while (i < piece.length && text[place + i] == piece[i]) ++i;
            if (i == piece.length) return place;
        }
        revert Assert_False(string.concat("not in the text: ", string(piece)));
    }

    function slice(bytes memory text, uint256 begin, uint256 end)
        internal
        pure
        returns (bytes memory part)
    {
        part = new bytes(end - begin);
        for (uint256 i; i < part.length; ++i) {
            part[i] = text[begin + i];
        }
    }

    /// @dev Of the longest inputs that are taken, a file apart.
    function largest(string memory key) internal view returns (bytes memory) {
        return vm.parseJsonBytes(vm.readFile(LARGEST), key);
    }

    /// @dev What a transaction to the collateral costs that must succeed: execution and calldata, or
    ///      calldata's floor (EIP-7623).
    function transactionGas(bytes memory call) internal returns (uint256) {
        uint256 tokens;
        for (uint256 i; i < call.length; ++i) {
            tokens += call[i] == 0 ? 1 : 4;
        }
        uint256 before = gasleft();
        (bool isDone, bytes memory reason) = address(collateral).call(call);
        uint256 spent = before - gasleft() + 4 * tokens;
        if (!isDone) revertWith(reason);
        return 21_000 + (spent > 10 * tokens ? spent : 10 * tokens);
    }

    function revertWith(bytes memory reason) internal pure {
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }

    function _arguments() private view returns (bytes memory) {
        return abi.encode(bytesAt(".root.certificate"), wordAt(".signer.nameHash"), true);
    }
}
