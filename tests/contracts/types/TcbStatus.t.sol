// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TcbStatus} from "contracts/types/TcbStatus.sol";
import {Test} from "../Vm.sol";

/// @notice The library behind external calls, so that reverts can be expected.
contract TcbStatusCaller {
    function merge(uint8 one, uint8 other) external pure returns (uint8) {
        return TcbStatus.merge(one, other);
    }

    function ofRelaunch(uint8 launch, uint8 present) external pure returns (uint8) {
        return TcbStatus.ofRelaunch(launch, present);
    }
}

contract TcbStatusTest is Test {
    TcbStatusCaller private status = new TcbStatusCaller();

    /// @dev Every pair of the seven, as it is written in the design.
    function test_merge_IsTheTable() external view {
        uint8[7][7] memory wanted = [
            [1, 2, 3, 4, 5, 6, 7],
            [2, 2, 4, 4, 5, 6, 7],
            [3, 4, 3, 4, 6, 6, 7],
            [4, 4, 4, 4, 6, 6, 7],
            [5, 5, 6, 6, 5, 6, 7],
            [6, 6, 6, 6, 6, 6, 7],
            [7, 7, 7, 7, 7, 7, 7]
        ];
        for (uint8 one = 1; one < 8; ++one) {
            for (uint8 other = 1; other < 8; ++other) {
                assertEq(status.merge(one, other), wanted[one - 1][other - 1], "merged");
            }
        }
    }

    function test_merge_DoesNotDependOnTheOrder() external view {
        for (uint8 a = 1; a < 8; ++a) {
            for (uint8 b = 1; b < 8; ++b) {
                for (uint8 c = 1; c < 8; ++c) {
                    uint8 left = status.merge(status.merge(a, b), c);
                    assertEq(left, status.merge(a, status.merge(b, c)), "grouping");
                    assertEq(left, status.merge(c, status.merge(b, a)), "order");
                }
            }
        }
    }

    /// @dev Launch by present.
    function test_ofRelaunch_IsTheTable() external view {
        uint8[7][7] memory wanted = [
            [1, 1, 1, 1, 1, 1, 7],
            [2, 2, 2, 2, 2, 2, 7],
            [3, 3, 3, 3, 3, 3, 7],
            [4, 4, 4, 4, 4, 4, 7],
            [8, 8, 9, 9, 5, 5, 7],
            [9, 9, 9, 9, 6, 6, 7],
            [7, 7, 7, 7, 7, 7, 7]
        ];
        for (uint8 launch = 1; launch < 8; ++launch) {
            for (uint8 present = 1; present < 8; ++present) {
                uint8 seen = status.ofRelaunch(launch, present);
                assertEq(seen, wanted[launch - 1][present - 1], "relaunch");
            }
        }
    }

    function test_anyStatus_RevertWhen_ItIsNotOfALevel() external {
        uint8[5] memory unknown = [0, 8, 9, 10, 255];
        for (uint256 i; i < unknown.length; ++i) {
            refuse(unknown[i]);
        }
    }

    function testFuzz_anyStatus_RevertWhen_ItIsNotOfALevel(uint8 unknown) external {
        vm.assume(unknown == 0 || unknown > 7);
        refuse(unknown);
    }

    function refuse(uint8 unknown) private {
        bytes memory reason = abi.encodeWithSelector(TcbStatus.TcbStatus_Unknown.selector, unknown);
        vm.expectRevert(reason);
        status.merge(unknown, 1);
        vm.expectRevert(reason);
        status.merge(7, unknown);
        vm.expectRevert(reason);
        status.ofRelaunch(unknown, 1);
        vm.expectRevert(reason);
        status.ofRelaunch(5, unknown);
    }
}
