// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IErc2362} from "./IErc2362.sol";
import {IFeedHub} from "./IFeedHub.sol";

/// @notice A feed and the description under which it is served.
struct Erc2362Source {
    /// @dev Base and quote, such as "ETH/USD"; 1 to 64 bytes.
    string pair;
    /// @dev Decimals of the values served, 0 to 18.
    uint8 decimals;
    bytes32 feedId;
}

/// @title Feeds of a hub, as a numeric pull oracle
/// @notice An id is keccak256("Price-" ‖ pair ‖ "-" ‖ decimals), as the draft forms it.
/// @dev `status` is 200 with a value; 404 if the id is not served or its feed was never written; 400 if
///      there is a round that must not be used now: paused, out of bounds, older than `maxAge_s`, or too
///      small for the decimals that the id names. With any status but 200 value and timestamp are 0, and
///      a consumer must look at the status. The draft knows no status for a value that went bad; it would
///      return the old one. Values are rounded down. A timestamp is never later than the block, although the
///      sources' clock may run ahead of it.
interface IErc2362Adapter is IErc2362 {
    /// @notice No feed, or more than can be served.
    error Erc2362Adapter_FeedCount(uint256 seen, uint256 wanted);
    /// @notice The pair is empty or too long.
    error Erc2362Adapter_PairLength(uint256 seen, uint256 wanted);
    /// @notice More decimals than are served.
    error Erc2362Adapter_Decimals(uint256 seen, uint256 wanted);
    /// @notice The same description twice.
    error Erc2362Adapter_SameId(bytes32 id);
    /// @notice A consumer may overlook the timestamp, so this oracle must bound it.
    error Erc2362Adapter_NoMaxAge();

    /// @notice A feed is served; emitted at construction only.
    event FeedServed(bytes32 indexed id, bytes32 indexed feedId, string pair, uint8 decimals);

    /// @notice The hub that the answers come from.
    function hub() external view returns (IFeedHub);

    /// @notice The feed behind an id, fixed at construction; 0 if the id is not served.
    function feedOf(bytes32 id) external view returns (bytes32);

    /// @notice Age, in seconds, beyond which a round is not served; at least 1.
    function maxAge_s() external view returns (uint32);
}
