// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Numeric pull oracle
/// @dev Function and selector as the draft ERC-2362 has them.
interface IErc2362 {
    /// @notice The value behind an id.
    /// @param id Hash of a description such as "Price-ETH/USD-3", a price with 3 decimals.
    /// @return value In the decimals that the id names, if `status` is 200.
    /// @return timestamp Seconds since the epoch, if `status` is 200.
    /// @return status 200, or why there is no value.
    function valueFor(bytes32 id)
        external
        view
        returns (int256 value, uint256 timestamp, uint256 status);
}
