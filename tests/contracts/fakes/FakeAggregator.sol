// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorV3Interface} from "contracts/interfaces/AggregatorV3Interface.sol";

/// @notice An aggregator that says what a test wants. For tests alone.
contract FakeAggregator is AggregatorV3Interface {
    int256 private _answer;
    uint256 private _updatedAt;
    uint80 private _roundId;
    uint80 private _answeredInRound;

    function set(int256 answer, uint256 updatedAt, uint80 roundId, uint80 answeredInRound)
        external
    {
        (_answer, _updatedAt, _roundId, _answeredInRound) =
        (answer, updatedAt, roundId, answeredInRound);
    }

    function decimals() external pure returns (uint8) {
        return 8;
    }

    function description() external pure returns (string memory) {
        return "fake";
    }

    function version() external pure returns (uint256) {
        return 0;
    }

    function getRoundData(uint80) external view returns (uint80, int256, uint256, uint256, uint80) {
        return latestRoundData();
    }

    function latestRoundData() public view returns (uint80, int256, uint256, uint256, uint80) {
        return (_roundId, _answer, _updatedAt, _updatedAt, _answeredInRound);
    }
}
