// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorV3Interface} from "contracts/interfaces/AggregatorV3Interface.sol";

import {Deploy} from "../Deploy.sol";
import {FeedHubSetup} from "../FeedHubSetup.sol";

/// @notice What reading through the facade costs the consumer that calls it first in a transaction, and
///         again; with a bound on the age, which costs more than none.
contract AggregatorV3FacadeGasTest is FeedHubSetup {
    uint256 private constant COLD_ACCOUNT = 2600;
    uint256 private constant WARM_ACCOUNT = 100;

    address private facade;

    function setUp() external {
        _deploy(1, 1, 100);
        facade = address(Deploy.aggregatorV3Facade(hub, hub.feedIds()[7], 60, ""));
        hub.submit(_report(START, _one(7, 5_000_000_000), 1));
    }

    function test_latestRoundData_CostsAtMost9600Cold() external {
        vm.cool(address(hub));
        vm.cool(facade);
        assertLe(COLD_ACCOUNT + _gasOfRead(), 9600, "cold");
    }

    function test_latestRoundData_CostsAtMost2600Warm() external view {
        _gasOfRead();
        assertLe(WARM_ACCOUNT + _gasOfRead(), 2600, "warm");
    }

    /// @dev The gas of the callee; the access to its account is its caller's.
    function _gasOfRead() private view returns (uint256) {
        (bool isDone,) =
            facade.staticcall(abi.encodeCall(AggregatorV3Interface.latestRoundData, ()));
        assertTrue(isDone, "read");
        return vm.lastCallGas().gasTotalUsed;
    }
}
