// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorV3Interface} from "contracts/interfaces/AggregatorV3Interface.sol";
import {IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {IPullConsumer} from "contracts/interfaces/IPullConsumer.sol";

import {Deploy} from "./Deploy.sol";
import {FeedHubSetup} from "./FeedHubSetup.sol";
import {ReadProbe} from "./ReadProbe.sol";

/// @notice A figure of the gas table. forge compares each with `contracts/snapshots/feeds.json` and fails on
///         any difference; `scripts/bench feeds --update` writes that file. Addresses, keys and nonces of
///         signatures are the same in every run, so the figures are exact.
abstract contract FeedGasSetup is FeedHubSetup {
    uint256 internal constant FEEDS = 100;
    int64 internal constant PRICE = 5_000_000_000;

    /// @param operation The row of the table; `scripts/benches/feeds.py` has its target.
    function _record(string memory operation, uint256 gas) internal {
        vm.snapshotValue("feeds", operation, gas);
    }
}

/// @notice A push, as a whole transaction with its calldata, when every slot was written before.
/// forge-config: default.isolate = true
contract PushGasTest is FeedGasSetup {
    function test_submit_OneFeed3of5() external {
        _record("push 1, 3-of-5", _push({seats: 5, m: 3, count: 1, stride: 1}));
    }

    function test_submit_TenFeeds3of5() external {
        _record("push 10, 3-of-5", _push({seats: 5, m: 3, count: 10, stride: 1}));
    }

    function test_submit_HundredFeeds3of5() external {
        _record("push 100, 3-of-5", _push({seats: 5, m: 3, count: 100, stride: 1}));
    }

    function test_submit_TenFeedsInTenSlots3of5() external {
        _record("push 10 in 10 slots, 3-of-5", _push({seats: 5, m: 3, count: 10, stride: 2}));
    }

    /// @dev Feeds side by side, which keep histories and take the same reports, against such that do not.
    function test_submit_TenFeedsWithHistory() external {
        uint256 without = _push({seats: 5, m: 3, count: 10, stride: 1});
        _historyRounds = 8;
        uint256 with = _push({seats: 5, m: 3, count: 10, stride: 1});
        _record("history on, extra per feed in a batch of 10", (with - without) / 10);
    }

    /// @dev Feeds whose neighbours keep none, so that each pays for its slots alone.
    function test_submit_TenFeedsInTenSlotsWithHistory() external {
        uint256 without = _push({seats: 5, m: 3, count: 10, stride: 2});
        _historyRounds = 8;
        uint256 with = _push({seats: 5, m: 3, count: 10, stride: 2});
        _record("history on, extra per feed without a neighbour", (with - without) / 10);
    }

    function test_submit_OneFeed13of19() external {
        _record("push 1, 13-of-19", _push({seats: 19, m: 13, count: 1, stride: 1}));
    }

    function test_submit_TenFeeds13of19() external {
        _record("push 10, 13-of-19", _push({seats: 19, m: 13, count: 10, stride: 1}));
    }

    function test_submit_HundredFeeds13of19() external {
        _record("push 100, 13-of-19", _push({seats: 19, m: 13, count: 100, stride: 1}));
    }

    /// @return Gas of the second push.
    function _push(uint256 seats, uint8 m, uint256 count, uint256 stride)
        private
        returns (uint256)
    {
        _deploy(seats, m, FEEDS);
        vm.warp(START + 100);
        hub.submit(_report(START + 90, _many(count, stride, PRICE), _firstSeats(m)));
        vm.warp(START + 112);
        hub.submit(_report(START + 110, _many(count, stride, PRICE + 1_000_000), _firstSeats(m)));
        return vm.lastCallGas().gasTotalUsed;
    }
}

/// @notice A report verified in the consumer's own transaction, as a whole, calldata included.
/// forge-config: default.isolate = true
contract PullGasTest is FeedGasSetup {
    IPullConsumer private consumer;

    function setUp() external {
        _deploy(5, 3, FEEDS);
        address verifier = Deploy.shipped("FeedVerifier", abi.encode(hub));
        consumer =
            IPullConsumer(Deploy.shipped("PullConsumer", abi.encode(hub, verifier, uint32(60))));
    }

    function test_price_OneFeed() external {
        _record("pull 1, library", _pull(abi.encodeCall(consumer.price, (_reportOf(1), 0))));
    }

    function test_price_TenFeeds() external {
        _record("pull 10, library", _pull(abi.encodeCall(consumer.price, (_reportOf(10), 9))));
    }

    function test_price_HundredFeeds() external {
        _record("pull 100, library", _pull(abi.encodeCall(consumer.price, (_reportOf(100), 99))));
    }

    function test_priceByVerifier_OneFeed() external {
        bytes memory call = abi.encodeCall(consumer.priceByVerifier, (_reportOf(1), 0));
        _record("pull 1, shared verifier", _pull(call));
    }

    function _pull(bytes memory call) private returns (uint256) {
        (bool isDone,) = address(consumer).call(call);
        assertTrue(isDone, "price");
        return vm.lastCallGas().gasTotalUsed;
    }

    function _reportOf(uint256 count) private view returns (bytes memory) {
        return _report(START, _many(count, 1, PRICE), _firstSeats(3));
    }
}

/// @notice A read, as its caller pays it; see `ReadProbe`.
/// forge-config: default.isolate = true
contract ReadGasTest is FeedGasSetup {
    uint16 private constant INDEX = 7;

    ReadProbe private probe;

    function setUp() external {
        _deploy(1, 1, FEEDS);
        hub.submit(_report(START, _one(INDEX, PRICE), 1));
        probe = new ReadProbe();
    }

    function test_costs_OfEmptyCodeAreTheAccessAlone() external {
        vm.etch(address(0xC0DE), hex"00");
        (uint256 cold, uint256 warm) = probe.costs(address(0xC0DE), "");
        assertEq(cold, 2600, "cold");
        assertEq(warm, 100, "warm");
    }

    function test_read() external {
        _recordRead("read native", address(hub), abi.encodeCall(IFeedHub.read, (INDEX)));
    }

    /// @dev With a bound on the age, which costs more than none.
    function test_latestRoundData_Pinned() external {
        address facade = address(Deploy.aggregatorV3Facade(hub, hub.feedIds()[INDEX], 60, ""));
        _recordRead("read facade, pinned", facade, _latestRoundData());
    }

    /// @dev As above, by a name.
    function test_latestRoundData_OnAnAlias() external {
        bytes32 name = "ETH/USD";
        _govern(hub, abi.encodeCall(IFeedHub.setAlias, (name, INDEX)));
        address facade = address(Deploy.facade(hub, 0, name, 60, ""));
        _recordRead("read facade, on an alias", facade, _latestRoundData());
    }

    function _recordRead(string memory operation, address where, bytes memory call) private {
        (uint256 cold, uint256 warm) = probe.costs(where, call);
        _record(string.concat(operation, ", cold"), cold);
        _record(string.concat(operation, ", warm"), warm);
    }

    function _latestRoundData() private pure returns (bytes memory) {
        return abi.encodeCall(AggregatorV3Interface.latestRoundData, ());
    }
}
