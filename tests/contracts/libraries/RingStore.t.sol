// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RingStore} from "contracts/libraries/RingStore.sol";
import {Lane, Lanes} from "contracts/types/Lane.sol";

import {Test} from "../Vm.sol";

contract RingStoreTest is Test {
    using RingStore for RingStore.Rings;

    RingStore.Rings private _rings;

    /// @dev What each feed was given, against what its ring finds.
    mapping(uint256 index => Lane[] lanes) private _given;

    function testFuzz_find_FindsTheLastRoundsOfEachFeed(uint256 seed, uint8 even, uint8 odd)
        external
    {
        uint256 first = (seed % 512) * 2;
        uint256[2] memory rounds = [2 + uint256(even) % 12, 2 + uint256(odd) % 12];
        for (uint256 i = 0; i < 2; ++i) {
            _rings.make(first + i, rounds[i], Lane.wrap(Lanes.LISTED));
        }
        for (uint256 n = 1; n <= 40; ++n) {
            uint256 i = seed >> (n + 16) & 1;
            Lane lane = Lane.wrap(
                uint256(keccak256(abi.encode(seed, n))) >> 192 << 64 | (10 * n) << 32 | 0x80
            );
            _rings.put(first + i, lane);
            _given[i].push(lane);
        }
        for (uint256 i = 0; i < 2; ++i) {
            uint256 count = _given[i].length;
            for (uint256 k = 0; k < count; ++k) {
                Lane lane = _given[i][k];
                bool isKept = k + rounds[i] >= count;
                Lane wanted = isKept ? lane : Lane.wrap(0);
                Lane seen = _rings.find(first + i, lane.observedAt());
                assertEq(Lane.unwrap(seen), Lane.unwrap(wanted), "round");
                seen = _rings.find(first + i, lane.observedAt() + 1);
                assertEq(Lane.unwrap(seen), 0, "no round");
            }
        }
    }

    function testFuzz_find_FindsNothingWithoutARing(uint256 index, uint32 moment) external {
        index %= 1024;
        assertEq(Lane.unwrap(_rings.find(index, moment)), 0, "none");
        // A neighbour's ring is not the feed's.
        _rings.make(index ^ 1, 2, Lane.wrap(Lanes.LISTED));
        _rings.put(index ^ 1, Lane.wrap(uint256(7) << 32));
        assertEq(Lane.unwrap(_rings.find(index, 7)), 0, "still none");
    }
}
