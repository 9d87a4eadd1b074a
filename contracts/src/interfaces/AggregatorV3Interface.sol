// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The reading interface that most consumers are written for
/// @dev Functions, selectors and return values as Chainlink publishes them.
interface AggregatorV3Interface {
    /// @notice Decimals of every answer.
    function decimals() external view returns (uint8);

    /// @notice What the feed is, for people.
    function description() external view returns (string memory);

    /// @notice Version of the contract behind the interface.
    function version() external view returns (uint256);

    /// @notice A certain round; reverts if it is not kept.
    /// @param wantedRoundId The round asked for.
    /// @return roundId The same.
    /// @return answer In `decimals`.
    /// @return startedAt Seconds since the epoch.
    /// @return updatedAt Seconds since the epoch.
    /// @return answeredInRound The round in which the answer was made.
    function getRoundData(uint80 wantedRoundId)
        external
        view
        returns (
            uint80 roundId,
            int256 answer,
            uint256 startedAt,
            uint256 updatedAt,
            uint80 answeredInRound
        );

    /// @notice The latest round; reverts if there is none.
    /// @return roundId Strictly increasing from round to round, not by one.
    /// @return answer In `decimals`.
    /// @return startedAt Seconds since the epoch.
    /// @return updatedAt Seconds since the epoch.
    /// @return answeredInRound The round in which the answer was made.
    function latestRoundData()
        external
        view
        returns (
            uint80 roundId,
            int256 answer,
            uint256 startedAt,
            uint256 updatedAt,
            uint80 answeredInRound
        );
}
