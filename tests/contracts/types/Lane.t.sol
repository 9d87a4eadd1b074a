// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Lane, Lanes} from "contracts/types/Lane.sol";

import {Test} from "../Vm.sol";

contract LaneTest is Test {
    function testFuzz_pack_KeepsEveryField(
        int64 value,
        uint32 observedAt,
        uint16 dispersion,
        uint8 sources,
        uint8 flags,
        uint8 tier
    ) external pure {
        flags &= 0x0F;
        tier = 1 + tier % 4;
        uint256 quality = uint256(dispersion) << 16 | uint256(sources) << 8 | flags;
        Lane lane = Lanes.pack(uint64(value), quality, Lanes.stamp(observedAt, tier));
        assertEq(lane.value(), value, "value");
        assertEq(lane.rawValue(), uint64(value), "raw value");
        assertEq(lane.observedAt(), observedAt, "observedAt");
        assertEq(lane.dispersion(), dispersion, "dispersion");
        assertEq(lane.sources(), sources, "sources");
        assertEq(lane.flags(), 0x80 | (tier - 1) << 4 | flags, "flags");
        assertTrue(lane.isListed() && !lane.isWatched(), "bits");
        assertTrue(lane.withWatched(true).isWatched(), "watched");
        assertEq(
            Lane.unwrap(lane.withWatched(true).withWatched(false)), Lane.unwrap(lane), "and back"
        );
    }

    function testFuzz_isReadable_SaysWhetherThereIsARoundAndNoFlag(uint128 raw, uint32 observedAt)
        external
        pure
    {
        uint256 rest = raw & ~(uint256(type(uint32).max) << 32);
        Lane lane = Lane.wrap(rest | uint256(observedAt) << 32);
        assertTrue(lane.isReadable() == (observedAt != 0 && !lane.isWatched()), "any moment");
        assertTrue(!Lane.wrap(rest).isReadable(), "no moment");
    }
}
