// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Narrow} from "contracts/libraries/Narrow.sol";
import {Sstore2} from "contracts/libraries/Sstore2.sol";

import {Test} from "../Vm.sol";

contract Sstore2Harness {
    function write(bytes calldata data) external returns (address) {
        return Sstore2.write(data);
    }
}

contract Sstore2Test is Test {
    function testFuzz_write_IsReadBack(bytes calldata data) external {
        address at_ = Sstore2.write(data);
        assertEq(Sstore2.read(at_, data.length), data, "data");
        assertEq(at_.code, bytes.concat(hex"00", data), "code");
        assertEq(at_.codehash, Sstore2.codeHash(data), "hash");
    }

    function test_read_GivesAPrefixAndZerosBeyondTheEnd() external {
        address at_ = Sstore2.write("abc");
        assertEq(Sstore2.read(at_, 2), "ab", "prefix");
        assertEq(Sstore2.read(at_, 5), hex"6162630000", "zeros");
    }

    function test_write_TakesAFullContract() external {
        assertEq(Sstore2.write(new bytes(24_575)).code.length, 24_576, "code");
    }

    function test_write_RevertWhen_ThereIsTooMuch() external {
        Sstore2Harness harness = new Sstore2Harness();
        vm.expectRevert(abi.encodeWithSelector(Narrow.Narrow_TooWide.selector, 65_536, 65_535));
        harness.write(new bytes(65_535));
    }

    function test_write_RevertWhen_GasIsTooLittle() external {
        Sstore2Harness harness = new Sstore2Harness();
        vm.expectRevert(abi.encodeWithSelector(Sstore2.Sstore2_NotWritten.selector, 24_000));
        harness.write{gas: 1_000_000}(new bytes(24_000));
    }
}
