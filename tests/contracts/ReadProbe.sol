// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Reads the same thing twice in one transaction, as a consumer does.
contract ReadProbe {
    address private constant IDENTITY = address(4);
    uint256 private constant IDENTITY_GAS = 100 + 15;

    /// @notice What the two STATICCALLs take from their caller: the access to the account and the gas of the
    ///         callee. The first finds everything cold.
    function costs(address where, bytes calldata call)
        external
        view
        returns (uint256 cold, uint256 warm)
    {
        // What the measuring itself takes, seen on a precompile whose price is known.
        uint256 overhead = _gasOf(IDENTITY, "") - IDENTITY_GAS;
        return (_gasOf(where, call) - overhead, _gasOf(where, call) - overhead);
    }

    function _gasOf(address where, bytes memory input) private view returns (uint256 spent) {
        bool isDone;
        assembly ("memory-safe") {
            let before := gas()
            isDone := staticcall(gas(), where, add(input, 32), mload(input), 0, 0)
            spent := sub(before, gas())
        }
        require(isDone);
    }
}
