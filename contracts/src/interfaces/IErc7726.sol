// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Common quote oracle
/// @dev Function, errors and selectors as ERC-7726 publishes them.
interface IErc7726 {
    /// @notice The oracle serves no quotes for this pair.
    error OracleUnsupportedPair(address base, address quote);
    /// @notice The oracle has no answer for this pair that it would vouch for now.
    error OracleUntrustedData(address base, address quote);

    /// @notice What an amount of one asset is worth in another.
    /// @param baseAmount In the base's smallest unit.
    /// @param base A token, or the pseudo-address of what is none.
    /// @param quote Likewise.
    /// @return quoteAmount In the quote's smallest unit, rounded down.
    function getQuote(uint256 baseAmount, address base, address quote)
        external
        view
        returns (uint256 quoteAmount);
}
