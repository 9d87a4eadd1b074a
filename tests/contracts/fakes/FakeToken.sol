// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What an adapter asks of a token. For tests alone.
contract FakeToken {
    uint256 public decimals;

    constructor(uint256 decimals_) {
        decimals = decimals_;
    }

    function set(uint256 decimals_) external {
        decimals = decimals_;
    }
}
