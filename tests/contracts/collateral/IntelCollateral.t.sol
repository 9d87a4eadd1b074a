// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIntelCollateral} from "contracts/interfaces/IIntelCollateral.sol";
import {P256} from "contracts/libraries/P256.sol";
import {DcapFixture} from "../DcapFixture.sol";
import {Deploy} from "../Deploy.sol";

/// @notice What only a chain unlike Anvil shows; all else is in `tests/integration`.
contract IntelCollateralTest is DcapFixture {
    address private constant P256_VERIFY = P256.PRECOMPILE;
    bytes32 private constant NAME = keccak256("a TCB signing certificate's name");

    function setUp() external {
        load();
    }

    function test_constructor_TakesAnEmulatedRootOnALocalChain() external {
        uint64[2] memory local = [uint64(31_337), 1337];
        for (uint256 i; i < local.length; ++i) {
            vm.chainId(local[i]);
            IIntelCollateral made = _deploy(bytesAt(".root.certificate"));
            assertEq(made.tier(), 4, "DEV");
            assertEq(made.signerName(), NAME, "name");
            (bytes32 x, bytes32 y, bytes32 nameHash, uint40 notAfter) = made.root();
            assertEq(x, wordAt(".root.x"), "x");
            assertEq(y, wordAt(".root.y"), "y");
            assertEq(nameHash, wordAt(".root.nameHash"), "name");
            assertEq(notAfter, numberAt(".root.notAfter"), "end");
            assertTrue(address(made.certificateParser()).code.length > 0, "parser");
            assertEq(made.p256(), P256_VERIFY, "precompile");
        }
    }

    function test_constructor_RevertWhen_AnEmulatedRootLeavesTheLocalChain() external {
        bytes memory root = bytesAt(".root.certificate");
        uint64[3] memory production = [uint64(1), 10, 8453];
        for (uint256 i; i < production.length; ++i) {
            vm.chainId(production[i]);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IIntelCollateral.IntelCollateral_DevOnlyOnLocalChain.selector, production[i]
                )
            );
            this.deploy(root);
        }
    }

    /// @dev A chain without P256VERIFY answers with nothing, as the precompile does to a bad
    ///      signature.
    function test_constructor_RevertWhen_ThePrecompileAnswersNothing() external {
        _refuseWithout("");
    }

    function test_constructor_RevertWhen_ThePrecompileTakesEverything() external {
        _refuseWithout(abi.encode(1));
    }

    function test_constructor_MakesABackendOnRequest() external {
        IIntelCollateral made = _deploy(bytesAt(".root.certificate"), false);
        assertTrue(made.p256() != P256_VERIFY, "another");
        assertTrue(P256.isAvailable(made.p256()), "and it works");
    }

    function test_constructor_TakesARootInSolidityAlone() external {
        bytes memory root = bytesAt(".root.certificate");
        bytes[2] memory answers = [bytes(""), abi.encode(1)];
        for (uint256 i; i < answers.length; ++i) {
            vm.mockCall(P256_VERIFY, "", answers[i]);
            assertTrue(P256.isAvailable(_deploy(root, false).p256()), "without the precompile");
        }
    }

    function test_constructor_RevertWhen_InSolidityTheRootIsAltered() external {
        bytes memory root = bytesAt(".root.certificate");
        root = flipped(root, 8 * root.length - 1);
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_Signature.selector);
        this.deployInSolidity(root);
    }

    function test_constructor_RevertWhen_TheRootIsNotOne() external {
        _refuse(bytesAt(".ca.certificate"), IIntelCollateral.IntelCollateral_PathLength.selector);
        _refuse(bytesAt(".pck.certificate"), IIntelCollateral.IntelCollateral_NotACa.selector);
        _refuse(
            bytesAt(".refusedRoot.pathLength1"), IIntelCollateral.IntelCollateral_Issuer.selector
        );
        _refuse(new bytes(4097), IIntelCollateral.IntelCollateral_TooLong.selector);
    }

    function test_constructor_RevertWhen_TheRootIsAltered() external {
        bytes memory root = bytesAt(".root.certificate");
        _refuse(
            flipped(root, 8 * root.length - 1), IIntelCollateral.IntelCollateral_Signature.selector
        );
    }

    function test_constructor_RevertWhen_TheRootHasEnded() external {
        bytes memory root = bytesAt(".root.certificate");
        vm.warp(numberAt(".root.notAfter"));
        _deploy(root);
        vm.warp(numberAt(".root.notAfter") + 1);
        _refuse(root, IIntelCollateral.IntelCollateral_Expired.selector);
    }

    function deploy(bytes calldata root) external returns (IIntelCollateral) {
        return _deploy(root);
    }

    function deployInSolidity(bytes calldata root) external returns (IIntelCollateral) {
        return _deploy(root, false);
    }

    function _refuse(bytes memory root, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        this.deploy(root);
    }

    function _refuseWithout(bytes memory answer) private {
        bytes memory root = bytesAt(".root.certificate");
        vm.mockCall(P256_VERIFY, "", answer);
        vm.expectRevert(
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_NoP256.selector, P256_VERIFY)
        );
        this.deploy(root);
    }

    function _deploy(bytes memory root) private returns (IIntelCollateral) {
        return _deploy(root, true);
    }

    function _deploy(bytes memory root, bool hasPrecompile) private returns (IIntelCollateral) {
        return Deploy.intelCollateral(root, NAME, hasPrecompile);
    }
}
