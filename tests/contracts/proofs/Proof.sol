// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "../Vm.sol";

/// @notice The cheat code of halmos that our proofs use beside forge's.
interface Svm {
    /// @notice Calls of every function of a contract that changes state, with any arguments: one path each.
    function createCalldata(string calldata contractName) external pure returns (bytes memory);
}

/// @notice Base of every proof. A property is an `assert` that must hold on every path.
abstract contract Proof {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    Svm internal constant svm = Svm(address(uint160(uint256(keccak256("svm cheat code")))));

    /// @dev A number below `end` that is concrete on each path: memory and storage have no symbolic places.
    function _each(uint256 any, uint256 end) internal pure returns (uint256) {
        for (uint256 one = 0; one < end; ++one) {
            if (any == one) return one;
        }
        vm.assume(false);
        return 0;
    }
}
