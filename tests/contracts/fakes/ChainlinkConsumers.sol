// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The interface as a consumer of Chainlink declares it, apart from our own declaration.
interface ChainlinkAggregatorV2V3 {
    function latestAnswer() external view returns (int256);
    function latestTimestamp() external view returns (uint256);
    function latestRound() external view returns (uint256);
    function getAnswer(uint256 roundId) external view returns (int256);
    function getTimestamp(uint256 roundId) external view returns (uint256);
    function decimals() external view returns (uint8);
    function description() external view returns (string memory);
    function version() external view returns (uint256);
    function getRoundData(uint80 _roundId)
        external
        view
        returns (
            uint80 roundId,
            int256 answer,
            uint256 startedAt,
            uint256 updatedAt,
            uint80 answeredInRound
        );
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

/// @notice A lender's view of a price, with the checks that audits ask of consumers of Chainlink, among
///         them the subtraction that an `updatedAt` ahead of the block would underflow. For tests alone.
contract ChainlinkV3Consumer {
    ChainlinkAggregatorV2V3 private immutable _feed;
    uint256 private immutable _heartbeat;

    error StalePrice();
    error InvalidPrice();

    constructor(address feed, uint256 heartbeat) {
        _feed = ChainlinkAggregatorV2V3(feed);
        _heartbeat = heartbeat;
    }

    /// @notice The price with 18 decimals.
    function price() external view returns (uint256) {
        (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) =
            _feed.latestRoundData();
        require(startedAt != 0 && updatedAt != 0, StalePrice());
        require(answeredIn >= roundId, StalePrice());
        require(block.timestamp - updatedAt <= _heartbeat, StalePrice());
        require(answer > 0, InvalidPrice());
        return uint256(answer) * 10 ** (18 - _feed.decimals());
    }
}

/// @notice A consumer from before the third version: answer and age by the older getters.
contract ChainlinkV2Consumer {
    ChainlinkAggregatorV2V3 private immutable _feed;

    constructor(address feed) {
        _feed = ChainlinkAggregatorV2V3(feed);
    }

    function priceAndAge() external view returns (uint256 price, uint256 age_s) {
        int256 answer = _feed.latestAnswer();
        require(answer > 0, "no price");
        uint256 round = _feed.latestRound();
        require(_feed.getAnswer(round) == answer, "round changed");
        uint256 timestamp = _feed.latestTimestamp();
        require(_feed.getTimestamp(round) == timestamp, "round changed");
        return (uint256(answer), block.timestamp - timestamp);
    }
}
