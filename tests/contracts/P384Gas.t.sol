// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Deploy} from "./Deploy.sol";
import {Test} from "./Vm.sol";

/// @notice Figures of the gas table of P-384: whole transactions with their calldata. forge compares each with
///         `contracts/snapshots/p384.json` and fails on any difference; `scripts/bench p384 --update` writes that file.
/// forge-config: default.isolate = true
contract P384GasTest is Test {
    uint256 private constant DOCUMENT = 4_400;

    function test_verify_CostsAtMost950000() external {
        address machine = Deploy.shipped("P384Machine", "");
        string memory json = vm.readFile("../tests/vectors/p384.json");
        uint256 most;
        for (uint256 i; i < 3; ++i) {
            string memory path = string.concat(".cases[", vm.toString(i), "].");
            uint256 gas = _call(
                machine,
                bytes.concat(
                    _wide(vm.parseJsonBytes(json, string.concat(path, "digest"))),
                    _wide(vm.parseJsonBytes(json, string.concat(path, "signature"))),
                    _wide(vm.parseJsonBytes(json, string.concat(path, "key"))),
                    vm.parseJsonBytes(json, string.concat(path, "hint"))
                )
            );
            if (gas > most) most = gas;
        }
        vm.snapshotValue("p384", "P-384 verify", most);
        assertLe(most, 950_000, "P-384 verify");
    }

    /// @dev Of a document of 35 blocks: what each costs more, without calldata.
    function test_digest_CostsAtMost20500ABlock() external {
        address machine = Deploy.shipped("Sha384Machine", "");
        uint256 gas = _call(machine, new bytes(DOCUMENT));
        uint256 blocks = (DOCUMENT + 17 + 127) / 128;
        // 21,000 for the transaction, 4 for each zero byte.
        uint256 each = (gas - 21_000 - 4 * DOCUMENT) / blocks;
        vm.snapshotValue("p384", "SHA-384, a block of 35", each);
        assertLe(each, 20_500, "SHA-384 per block");
    }

    /// @dev Numbers of 48 bytes as two words each.
    function _wide(bytes memory packed) private pure returns (bytes memory wide) {
        for (uint256 i; i < packed.length; i += 48) {
            bytes memory number = new bytes(64);
            for (uint256 k; k < 48; ++k) {
                number[16 + k] = packed[i + k];
            }
            wide = bytes.concat(wide, number);
        }
    }

    function _call(address machine, bytes memory input) private returns (uint256) {
        (bool isDone, bytes memory answer) = machine.call(input);
        assertTrue(isDone && answer.length >= 32, "answered");
        assertTrue(uint256(bytes32(answer)) != 0, "accepted");
        return vm.lastCallGas().gasTotalUsed;
    }
}
