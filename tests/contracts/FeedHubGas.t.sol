// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAggregatorV3Facade} from "contracts/interfaces/IAggregatorV3Facade.sol";
import {Deploy} from "./Deploy.sol";
import {FeedHubSetup} from "./FeedHubSetup.sol";

/// @notice What a push costs as a whole transaction of its own, calldata included, when every slot was
///         written before, with 100 feeds listed. The ceilings are promises of `contracts/README.md`.
/// forge-config: default.isolate = true
contract FeedHubGasTest is FeedHubSetup {
    function test_submit_CostsAtMost51500_OneFeed3of5() external {
        _assertPush({seats: 5, m: 3, count: 1, stride: 1, most: 51_500});
    }

    function test_submit_CostsAtMost80000_TenFeeds3of5() external {
        _assertPush({seats: 5, m: 3, count: 10, stride: 1, most: 80_000});
    }

    function test_submit_CostsAtMost106000_TenFeedsInTenSlots3of5() external {
        _assertPush({seats: 5, m: 3, count: 10, stride: 2, most: 106_000});
    }

    function test_submit_CostsAtMost396000_HundredFeeds3of5() external {
        _assertPush({seats: 5, m: 3, count: 100, stride: 1, most: 396_000});
    }

    function test_submit_CostsAtMost100000_OneFeed13of19() external {
        _assertPush({seats: 19, m: 13, count: 1, stride: 1, most: 100_000});
    }

    function test_submit_CostsAtMost129000_TenFeeds13of19() external {
        _assertPush({seats: 19, m: 13, count: 10, stride: 1, most: 129_000});
    }

    function test_submit_CostsAtMost444000_HundredFeeds13of19() external {
        _assertPush({seats: 19, m: 13, count: 100, stride: 1, most: 444_000});
    }

    function _assertPush(uint256 seats, uint8 m, uint256 count, uint256 stride, uint256 most)
        private
    {
        _deploy(seats, m, 100);
        vm.warp(START + 100);
        hub.submit(_report(START + 90, _many(count, stride, 5_000_000_000), _firstSeats(m)));
        vm.warp(START + 112);
        hub.submit(_report(START + 110, _many(count, stride, 5_001_000_000), _firstSeats(m)));
        assertLe(vm.lastCallGas().gasTotalUsed, most, "gas of the transaction");
    }
}

/// @notice What a read costs the consumer that calls it first in a transaction, and again.
contract FeedHubReadGasTest is FeedHubSetup {
    IAggregatorV3Facade private facade;

    function setUp() external {
        _deploy(1, 1, 100);
        facade = Deploy.aggregatorV3Facade(hub, hub.feedIds()[7], 60, "");
        hub.submit(_report(START, _one(7, 5_000_000_000), 1));
    }

    function test_read_CostsAtMost6200ColdAnd1700Warm() external {
        vm.cool(address(hub));
        _assertCosts(address(hub), abi.encodeCall(hub.read, (7)), 6200, "cold");
        _assertCosts(address(hub), abi.encodeCall(hub.read, (7)), 1700, "warm");
    }

    function test_latestRoundData_CostsAtMost10100ColdAnd3100Warm() external {
        vm.cool(address(hub));
        vm.cool(address(facade));
        bytes memory call = abi.encodeCall(facade.latestRoundData, ());
        _assertCosts(address(facade), call, 10_100, "cold");
        _assertCosts(address(facade), call, 3100, "warm");
    }

    /// @dev What the STATICCALL takes from its caller: the account's access and the gas of the callee.
    function _assertCosts(address where, bytes memory call, uint256 most, string memory what)
        private
        view
    {
        uint256 access = keccak256(bytes(what)) == keccak256("cold") ? 2600 : 100;
        (bool isDone,) = where.staticcall(call);
        assertTrue(isDone, "read");
        assertLe(access + vm.lastCallGas().gasTotalUsed, most, what);
    }
}
