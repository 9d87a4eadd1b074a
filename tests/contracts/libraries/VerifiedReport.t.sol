// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Verified, VerifiedReport} from "contracts/libraries/VerifiedReport.sol";
import {Lane} from "contracts/types/Lane.sol";

import {Test} from "../Vm.sol";

/// @notice The library behind a call, for its reverts.
contract VerifiedReportHarness {
    function laneOf(uint256 stamp, bytes memory entries, uint16 index)
        external
        pure
        returns (Lane)
    {
        Verified verified = VerifiedReport.from(stamp, entries);
        assert(keccak256(verified.entries()) == keccak256(entries));
        return verified.laneOf(index);
    }
}

contract VerifiedReportTest is Test {
    uint256 private constant STAMP = 1_790_000_000 << 32 | 0x90;

    VerifiedReportHarness private harness;

    function setUp() external {
        harness = new VerifiedReportHarness();
    }

    /// @dev Any set of feeds among 24: every one is found, and no other.
    function testFuzz_laneOf_FindsTheFeedsOfTheReportAndNoOther(uint24 anySet) external {
        uint24 set = anySet == 0 ? 1 : anySet;
        bytes memory entries;
        for (uint16 i = 0; i < 24; ++i) {
            if (set >> i & 1 == 0) continue;
            entries = abi.encodePacked(entries, i, int64(uint64(1000 + i)), uint16(7), hex"0503");
        }
        for (uint16 i = 0; i < 26; ++i) {
            if (i < 24 && set >> i & 1 == 1) {
                Lane lane = harness.laneOf(STAMP, entries, i);
                assertEq(lane.value(), int64(uint64(1000 + i)), "value");
                assertEq(lane.observedAt(), 1_790_000_000, "observedAt");
                assertEq(lane.dispersion(), 7, "dispersion");
                assertEq(lane.sources(), 5, "sources");
                assertEq(lane.flags(), 0x93, "flags");
            } else {
                vm.expectRevert(
                    abi.encodeWithSelector(VerifiedReport.VerifiedReport_MissingFeed.selector, i)
                );
                harness.laneOf(STAMP, entries, i);
            }
        }
    }

    function test_laneOf_RevertWhen_TheIndexIsBeyondAllFeeds() external {
        vm.expectRevert(
            abi.encodeWithSelector(VerifiedReport.VerifiedReport_MissingFeed.selector, 65_535)
        );
        harness.laneOf(STAMP, abi.encodePacked(uint16(3), int64(9), uint16(7), hex"0503"), 65_535);
    }
}
