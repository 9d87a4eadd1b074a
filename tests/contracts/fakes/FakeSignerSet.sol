// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SeatEntry} from "contracts/interfaces/ISignerSet.sol";

/// @notice A signer set of any number of positions. For tests alone.
contract FakeSignerSet {
    uint256 private immutable _positions;

    constructor(uint256 positions) {
        _positions = positions;
    }

    function entries() external view returns (SeatEntry[] memory all) {
        all = new SeatEntry[](_positions);
        for (uint256 i = 0; i < _positions; ++i) {
            all[i] = SeatEntry(address(uint160(i + 1)), type(uint64).max, 1, 1);
        }
    }

    function isHub(address) external pure returns (bool) {
        return true;
    }
}
