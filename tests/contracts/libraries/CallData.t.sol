// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CallData} from "contracts/libraries/CallData.sol";
import {Test} from "../Vm.sol";

/// @notice Each reader gives what a checked slice gives, wherever that is inside.
contract CallDataTest is Test {
    uint256 private constant MARGIN = 32;

    function testFuzz_readers_GiveWhatSlicesGive(bytes memory data, uint256 any) external view {
        data = bytes.concat(data, new bytes(MARGIN));
        this.compareWords(data, bound(any, 0, data.length - MARGIN));
    }

    function testFuzz_parts_AreSlices(bytes memory data, uint256 one, uint256 other) external view {
        uint256 start = bound(one, 0, data.length);
        this.compareParts(data, start, bound(other, 0, data.length - start));
    }

    function testFuzz_hashes_AreThoseOfTheBytes(bytes calldata data, bytes calldata more, uint8 tag)
        external
        view
    {
        bytes32 last = keccak256(more);
        assertEq(CallData.keccak(data), keccak256(data), "keccak256");
        bytes32 tagged = keccak256(abi.encodePacked(tag, data));
        assertEq(CallData.keccakTagged(tag, data), tagged, "with a tag");
        bytes32 joined = keccak256(bytes.concat(data, last));
        assertEq(CallData.keccakWith(data, last), joined, "with a word");
        assertEq(CallData.sha(data, more), sha256(bytes.concat(data, more)), "SHA-256");
    }

    /// @dev A hash is made behind what is allocated.
    function testFuzz_hashes_LeaveMemoryAlone(bytes calldata data) external view {
        bytes memory before = bytes.concat(data);
        CallData.sha(data, data);
        CallData.keccakWith(data, bytes32(type(uint256).max));
        assertEq(before, data, "what was allocated");
    }

    /// @dev Of a large input the 64th part of the gas, which a failed precompile leaves, is enough to go on.
    function test_sha_IsRightOrReverts_HoweverLittleGas() external view {
        bytes memory data = new bytes(1 << 17);
        bytes32 wanted = sha256(bytes.concat(data, data));
        uint256 refused;
        for (uint256 gas_ = 150_000; gas_ < 400_000; gas_ += 5_000) {
            try this.shaOfBoth{gas: gas_}(data) returns (bytes32 digest) {
                assertEq(digest, wanted, "digest");
            } catch {
                ++refused;
            }
        }
        assertTrue(refused > 10 && refused < 50, "both happen");
    }

    function shaOfBoth(bytes calldata data) external view returns (bytes32) {
        return CallData.sha(data, data);
    }

    function compareWords(bytes calldata data, uint256 at_) external pure {
        assertEq(CallData.word(data, at_), bytes32(data[at_:at_ + 32]), "word");
        assertEq(CallData.u8(data, at_), uint8(data[at_]), "u8");
        assertEq(CallData.u16(data, at_), uint16(bytes2(data[at_:at_ + 2])), "u16");
        assertEq(CallData.u32(data, at_), uint32(bytes4(data[at_:at_ + 4])), "u32");
        assertEq(CallData.u40(data, at_), uint40(bytes5(data[at_:at_ + 5])), "u40");
        assertTrue(CallData.b2(data, at_) == bytes2(data[at_:at_ + 2]), "b2");
        assertTrue(CallData.b4(data, at_) == bytes4(data[at_:at_ + 4]), "b4");
        assertTrue(CallData.b6(data, at_) == bytes6(data[at_:at_ + 6]), "b6");
        assertTrue(CallData.b8(data, at_) == bytes8(data[at_:at_ + 8]), "b8");
        assertTrue(CallData.b16(data, at_) == bytes16(data[at_:at_ + 16]), "b16");
    }

    function compareParts(bytes calldata data, uint256 start, uint256 size) external pure {
        assertEq(CallData.part(data, start, size), data[start:start + size], "part");
        assertEq(CallData.from(data, start), data[start:], "the rest");
    }
}
