// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "./IFeedHub.sol";

/// @title One feed of a hub, for readers of API3 proxies and of Chronicle
/// @notice Values have 18 decimals; a feed with fewer is scaled up, exactly.
/// @dev The two interfaces share the selector of `read()`. A reader of API3 decodes `(int224, uint32)`, a
///      reader of Chronicle one `uint256` and ignores the second word; a value is positive, so that its
///      one encoding serves both. Chronicle calls the moment of a value its age.
///
///      There is a value if the feed was written, is not paused, and its round is at most `maxAge_s` old.
///      Where there is none the `try` functions and `peek` say so and give zeros; `read` and
///      `readWithAge` revert, which API3 does for a stale value and Chronicle only for one never written.
///      A moment is never later than the block, although the sources' clock may run ahead of it. Unlike
///      at Chronicle nobody needs to be admitted to read.
interface IApi3ChronicleAdapter {
    /// @notice There is no value: never written, paused, out of bounds, or older than `maxAge_s`.
    error Api3ChronicleAdapter_NoValue(bytes32 feedId);
    /// @notice A value alone says nothing of its age, so this contract must bound it.
    error Api3ChronicleAdapter_NoMaxAge();

    /// @notice The value and its moment; reverts if there is none.
    /// @return value 18 decimals, positive.
    /// @return timestamp When the sources gave it, in seconds since the epoch.
    function read() external view returns (int224 value, uint32 timestamp);

    /// @notice The value and its moment; reverts if there is none.
    /// @return value 18 decimals.
    /// @return age When the sources gave it, in seconds since the epoch.
    function readWithAge() external view returns (uint256 value, uint256 age);

    /// @notice The value, if there is one.
    /// @return isValid Whether there is.
    /// @return value 18 decimals.
    function tryRead() external view returns (bool isValid, uint256 value);

    /// @notice The value and its moment, if there is one.
    /// @return isValid Whether there is.
    /// @return value 18 decimals.
    /// @return age When the sources gave it, in seconds since the epoch.
    function tryReadWithAge() external view returns (bool isValid, uint256 value, uint256 age);

    /// @notice The value, if there is one, in the order that Maker's readers expect.
    /// @return value 18 decimals.
    /// @return isValid Whether there is one.
    function peek() external view returns (uint256 value, bool isValid);

    /// @notice What the value is of, such as "ETH/USD"; fixed at construction.
    function wat() external view returns (bytes32);

    /// @notice The hub that the answers come from.
    function hub() external view returns (IFeedHub);

    /// @notice The feed, fixed at construction.
    function feedId() external view returns (bytes32);

    /// @notice Age, in seconds, beyond which there is no value; at least 1.
    function maxAge_s() external view returns (uint32);
}
