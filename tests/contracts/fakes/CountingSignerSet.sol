// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Counts how often it was told to clear the hubs. For tests alone.
contract CountingSignerSet {
    uint256 public cleared;
    address public by;
    address public signer;

    function clear() external {
        ++cleared;
        by = msg.sender;
    }

    function clearFor(address signer_) external {
        ++cleared;
        by = msg.sender;
        signer = signer_;
    }
}
