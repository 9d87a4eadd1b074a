// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What an image policy tells a registry. For tests alone.
contract CountingRegistry {
    uint256 public told;
    uint256 public index;
    address public by;

    function imageWithdrawn(uint256 index_) external {
        ++told;
        index = index_;
        by = msg.sender;
    }
}
