// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlockHistory} from "contracts/libraries/BlockHistory.sol";
import {Test} from "../Vm.sol";

contract BlockHistoryTest is Test {
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    // EIP-2935, the history contract.
    bytes private constant CODE =
        hex"3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500";
    uint256 private constant HEIGHT = 1_000_000;

    function setUp() external {
        vm.roll(HEIGHT);
        vm.etch(HISTORY, CODE);
        for (uint256 age = 1; age < 8193; age += 315) {
            record(HEIGHT - age);
        }
    }

    function test_hashOf_ReadsRecentBlocks() external {
        vm.setBlockhash(HEIGHT - 1, keccak256("recent"));
        assertEq(BlockHistory.hashOf(HEIGHT - 1), keccak256("recent"), "one block ago");
    }

    function test_hashOf_ReadsTheHistoryContractBeyondTheOpcode() external {
        uint256[4] memory ages = [uint256(257), 300, 8190, 8191];
        for (uint256 i; i < ages.length; ++i) {
            record(HEIGHT - ages[i]);
            assertEq(
                BlockHistory.hashOf(HEIGHT - ages[i]),
                keccak256(abi.encode(HEIGHT - ages[i])),
                "from history"
            );
        }
    }

    function test_hashOf_IsZeroBeyondTheHistoryContract() external {
        record(HEIGHT - 8192);
        assertEq(BlockHistory.hashOf(HEIGHT - 8192), 0, "too old");
        assertEq(BlockHistory.hashOf(0), 0, "genesis");
    }

    function test_hashOf_IsZeroForThisBlockAndLater() external view {
        assertEq(BlockHistory.hashOf(HEIGHT), 0, "this block");
        assertEq(BlockHistory.hashOf(HEIGHT + 1), 0, "next block");
        assertEq(BlockHistory.hashOf(type(uint256).max), 0, "never");
    }

    function test_hashOf_IsZeroWithoutTheHistoryContract() external {
        vm.etch(HISTORY, "");
        assertEq(BlockHistory.hashOf(HEIGHT - 300), 0, "no contract");
    }

    function test_hashOf_IsZeroWhenHistoryAnswersOtherwise() external {
        vm.mockCall(HISTORY, "", hex"01");
        assertEq(BlockHistory.hashOf(HEIGHT - 300), 0, "one byte");
        vm.mockCall(HISTORY, "", abi.encode(1, 2));
        assertEq(BlockHistory.hashOf(HEIGHT - 300), 0, "two words");
    }

    function record(uint256 height) private {
        vm.store(HISTORY, bytes32(height % 8191), keccak256(abi.encode(height)));
    }
}
