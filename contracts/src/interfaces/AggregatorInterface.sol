// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The older reading interface of aggregators
/// @dev Functions, selectors and return values as Chainlink publishes them, less the events
///      `AnswerUpdated` and `NewRound`, which an aggregator emits and a reader cannot see.
interface AggregatorInterface {
    /// @notice The answer of the latest round, in the feed's decimals.
    function latestAnswer() external view returns (int256);

    /// @notice When the latest round was made, in seconds since the epoch.
    function latestTimestamp() external view returns (uint256);

    /// @notice The id of the latest round.
    function latestRound() external view returns (uint256);

    /// @notice The answer of a certain round, in the feed's decimals.
    function getAnswer(uint256 roundId) external view returns (int256);

    /// @notice When a certain round was made, in seconds since the epoch.
    function getTimestamp(uint256 roundId) external view returns (uint256);
}
