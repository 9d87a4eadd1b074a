// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IErc7726} from "./IErc7726.sol";
import {IFeedHub} from "./IFeedHub.sol";

/// @title One feed of a hub, as a quote oracle for one pair in both directions
/// @dev The feed's answer is the price of one whole base in whole quotes. What is untrusted: a feed that
///      was never written or is paused, and a round out of bounds or older than `maxAge_s`. An amount so
///      small that it rounds down to nothing is quoted 0, as the standard has it; a price is never 0. A
///      quote beyond 256 bits reverts with `MulDiv_Overflow`.
///
///      Decimals are asked of the tokens once, at construction. 18 are those of the pseudo-addresses: ETH
///      (0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE, ERC-7528) and the currencies of ISO 4217 by their
///      number, 1 to 999, such as `address(840)` for USD. No others are known.
interface IErc7726Adapter is IErc7726 {
    /// @notice Base and quote are the same.
    error Erc7726Adapter_SameAsset(address asset);
    /// @notice The asset is no pseudo-address and does not say its decimals.
    error Erc7726Adapter_NoDecimals(address asset);
    /// @notice The token has more decimals than quotes can be computed with.
    error Erc7726Adapter_Decimals(uint256 seen, uint256 wanted);
    /// @notice A quote says nothing of its age, so this oracle must bound it.
    error Erc7726Adapter_NoMaxAge();

    /// @notice The hub that the answers come from.
    function hub() external view returns (IFeedHub);

    /// @notice The feed, fixed at construction.
    function feedId() external view returns (bytes32);

    /// @notice The asset that the feed prices.
    function base() external view returns (address);

    /// @notice The asset that the feed prices it in.
    function quote() external view returns (address);

    /// @notice Age, in seconds, beyond which an answer is untrusted; at least 1.
    function maxAge_s() external view returns (uint32);
}
