// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ImageBits, ImageBitsLib} from "contracts/libraries/ImageBits.sol";
import {Test} from "../Vm.sol";

contract ImageBitsTest is Test {
    using ImageBitsLib for ImageBits;

    uint256 private before = type(uint256).max;
    ImageBits private bits;
    uint256 private afterwards = type(uint256).max;

    function test_set_SetsEveryIndexAlone() external {
        for (uint256 index; index < 8192; index += 1 + index % 61) {
            assertTrue(!bits.has(index), "not set");
            bits.set(index);
            assertTrue(bits.has(index), "set");
            assertTrue(!bits.has((index + 1) & 0x1FFF), "the next");
            bits.words[index >> 8] = 0;
        }
    }

    /// @dev No index reaches what lies before or behind the words.
    function testFuzz_set_StaysWithinItsWords(uint256 index) external {
        assertTrue(!bits.has(index), "not set");
        bits.set(index);
        assertTrue(bits.has(index), "set");
        uint256 sum;
        for (uint256 i; i < 32; ++i) {
            sum += bits.words[i] == 0 ? 0 : 1;
        }
        assertEq(sum, 1, "one word");
        assertTrue(before & afterwards == type(uint256).max, "neighbours");
    }
}
