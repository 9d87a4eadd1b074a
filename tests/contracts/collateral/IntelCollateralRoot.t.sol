// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIntelCollateral} from "contracts/interfaces/IIntelCollateral.sol";
import {P256} from "contracts/libraries/P256.sol";
import {CollateralFixture} from "../CollateralFixture.sol";
import {Deploy} from "../Deploy.sol";

/// @notice The root that is fixed at construction, and the tier that its key makes.
contract IntelCollateralRootTest is CollateralFixture {
    /// @dev The key of Intel SGX Root CA, and the hash of the name of Intel SGX TCB Signing.
    bytes32 private constant INTEL_X =
        0x0ba9c4c0c0c86193a3fe23d6b02cda10a8bbd4e88e48b4458561a36e705525f5;
    bytes32 private constant INTEL_Y =
        0x67918e2edc88e40d860bd0cc4ee26aacc988e505a953558c453f6b0904ae7394;
    bytes32 private constant INTEL_SIGNER =
        0x048bd42849dc20c563977be866923795e269396947dfe4773512441b25c9d413;

    function setUp() external {
        load();
    }

    function test_constructor_RevertWhen_TheRootHasNotBegun() external {
        uint256 now_ = block.timestamp;
        create(bytesAt(".roots.beginning"), INTEL_SIGNER);
        bytes memory later = bytesAt(".roots.later");
        vm.expectRevert(
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_NotYetValid.selector, now_ + 1, now_
            )
        );
        this.create(later, INTEL_SIGNER);
    }

    function test_constructor_IntelsRootIsDirectOnAnyChain() external {
        bytes memory root = _intelsRoot();
        uint64[3] memory chains = [uint64(1), 8453, 31_337];
        for (uint256 i; i < chains.length; ++i) {
            vm.chainId(chains[i]);
            assertEq(create(root, INTEL_SIGNER).tier(), 1, "DIRECT");
        }
    }

    function test_constructor_RevertWhen_IntelsSignerHasAnotherName() external {
        bytes memory root = _intelsRoot();
        bytes32 name = wordAt(".signer.nameHash");
        vm.expectRevert(
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_SignerName.selector, name, INTEL_SIGNER
            )
        );
        this.create(root, name);
    }

    /// @dev Either coordinate alone is not the key.
    function test_constructor_AnotherRootIsNotDirect() external {
        bytes memory root = bytesAt(".root.certificate");
        root = replaced(root, bytes.concat(wordAt(".root.x")), bytes.concat(INTEL_X));
        _accept(root);
        assertEq(create(root, INTEL_SIGNER).tier(), 4, "DEV");
        vm.chainId(1);
        vm.expectRevert(
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_DevOnlyOnLocalChain.selector, 1)
        );
        this.create(root, INTEL_SIGNER);
    }

    function create(bytes memory root, bytes32 signerName) public returns (IIntelCollateral) {
        bytes memory arguments = abi.encode(root, signerName, true);
        return IIntelCollateral(Deploy.shipped("IntelCollateral", arguments));
    }

    /// @dev The emulated root's certificate with the key of Intel's, which only Intel could have signed.
    function _intelsRoot() private returns (bytes memory root) {
        root = bytesAt(".root.certificate");
        root = replaced(root, bytes.concat(wordAt(".root.x")), bytes.concat(INTEL_X));
        root = replaced(root, bytes.concat(wordAt(".root.y")), bytes.concat(INTEL_Y));
        _accept(root);
    }

    /// @dev Lets the precompile take the signature of this one certificate.
    function _accept(bytes memory root) private {
        // SEQUENCE, four bytes each of tag and length; the signed part follows.
        uint256 size = 4 + (uint256(uint8(root[6])) << 8 | uint8(root[7]));
        bytes32 digest = sha256(slice(root, 4, 4 + size));
        vm.mockCall(P256.PRECOMPILE, bytes.concat(digest), abi.encode(1));
    }
}
