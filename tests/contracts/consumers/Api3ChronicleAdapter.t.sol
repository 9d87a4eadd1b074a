// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IApi3ChronicleAdapter} from "contracts/interfaces/IApi3ChronicleAdapter.sol";
import {IFeedHub} from "contracts/interfaces/IFeedHub.sol";

import {Deploy} from "../Deploy.sol";
import {AdapterSetup} from "./AdapterSetup.sol";

/// @notice As a reader of API3 declares it.
interface Api3Reader {
    function read() external view returns (int224 value, uint32 timestamp);
}

/// @notice As a reader of Chronicle declares it.
interface ChronicleReader {
    function read() external view returns (uint256 value);
    function readWithAge() external view returns (uint256 value, uint256 age);
    function tryRead() external view returns (bool isValid, uint256 value);
    function tryReadWithAge() external view returns (bool isValid, uint256 value, uint256 age);
    function peek() external view returns (uint256 value, bool isValid);
    function wat() external view returns (bytes32);
}

contract Api3ChronicleAdapterTest is AdapterSetup {
    string private constant NAME = "Api3ChronicleAdapter";
    uint256 private constant VALUE = 2_500_123_456_780_000_000_000;

    bytes32 private id;
    address private adapter;

    function setUp() external {
        _deploy(1, 1, 3);
        id = hub.feedIds()[2];
        adapter = _adapter(id);
    }

    function test_selectors_AreThoseOfApi3AndChronicle() external pure {
        assertEq(bytes32(IApi3ChronicleAdapter.read.selector), hex"57de26a4", "read");
        assertEq(bytes32(IApi3ChronicleAdapter.tryRead.selector), hex"10b07b71", "tryRead");
        assertEq(bytes32(IApi3ChronicleAdapter.readWithAge.selector), hex"393e5ede", "withAge");
        assertEq(bytes32(IApi3ChronicleAdapter.tryReadWithAge.selector), hex"ceed3ef2", "tryAge");
        assertEq(bytes32(IApi3ChronicleAdapter.wat.selector), hex"4ca29923", "wat");
        assertEq(bytes32(IApi3ChronicleAdapter.peek.selector), hex"59e02dd7", "peek");
    }

    function test_constructor_KeepsWhatItServes() external view {
        IApi3ChronicleAdapter it = IApi3ChronicleAdapter(adapter);
        assertEq(address(it.hub()), address(hub), "hub");
        assertEq(it.feedId(), id, "feed");
        assertEq(it.maxAge_s(), 60, "age");
        assertEq(it.wat(), "ETH/USD", "wat");
    }

    function test_constructor_RevertWhen_AgeIsUnbounded() external {
        assertEq(
            _refusal(NAME, abi.encode(hub, id, 0, bytes32("ETH/USD"))),
            abi.encodeWithSelector(IApi3ChronicleAdapter.Api3ChronicleAdapter_NoMaxAge.selector),
            "reason"
        );
    }

    function test_constructor_RevertWhen_FeedIsUnlisted() external {
        assertEq(
            _refusal(NAME, abi.encode(hub, bytes32("x"), 60, bytes32("ETH/USD"))),
            abi.encodeWithSelector(IFeedHub.FeedHub_UnknownFeed.selector, bytes32("x")),
            "reason"
        );
    }

    function test_read_ServesAReaderOfApi3() external {
        _submit(START - 7, 2, PRICE);
        (int224 value, uint32 timestamp) = Api3Reader(adapter).read();
        assertEq(value, int256(VALUE), "value");
        assertEq(timestamp, START - 7, "timestamp");
    }

    function test_everyFunction_ServesAReaderOfChronicle() external {
        _submit(START - 7, 2, PRICE);
        _assertValue(VALUE, START - 7);
        vm.warp(START + 53);
        _assertValue(VALUE, START - 7);
    }

    function test_age_IsNeverAfterTheBlock() external {
        _submit(START + SKEW_S, 2, PRICE);
        _assertValue(VALUE, START);
        (, uint32 timestamp) = Api3Reader(adapter).read();
        assertEq(timestamp, START, "timestamp");
    }

    function test_everyFunction_HasNoValueWhenNeverWritten() external {
        _assertNoValue();
    }

    function test_everyFunction_HasNoValueWhenStale() external {
        _submit(START, 2, PRICE);
        vm.warp(START + 61);
        _assertNoValue();
    }

    function test_everyFunction_HasNoValueWhenPaused() external {
        _submit(START, 2, PRICE);
        vm.prank(GUARDIAN);
        hub.pauseFeed(2);
        _assertNoValue();
    }

    function testFuzz_value_Has18Decimals(uint64 anyAnswer, uint8 anyDecimals) external {
        uint8 decimals = uint8(bound(anyDecimals, 0, 18));
        int64 answer = _anyAnswer(anyAnswer);
        (uint16 index, bytes32 feed) = _list(decimals);
        _submit(START, index, answer);
        adapter = _adapter(feed);
        uint256 wanted = uint64(answer);
        for (uint256 i = decimals; i < 18; ++i) {
            wanted *= 10;
        }
        _assertValue(wanted, START);
        (int224 value,) = Api3Reader(adapter).read();
        assertEq(value, int256(wanted), "API3");
    }

    function _adapter(bytes32 feed) private returns (address) {
        return Deploy.shipped(NAME, abi.encode(hub, feed, 60, bytes32("ETH/USD")));
    }

    function _assertValue(uint256 wanted, uint256 wanted_at) private view {
        ChronicleReader it = ChronicleReader(adapter);
        // One word of the two that are returned.
        assertEq(it.read(), wanted, "read");
        (uint256 value, uint256 age) = it.readWithAge();
        assertEq(abi.encode(value, age), abi.encode(wanted, wanted_at), "readWithAge");
        bool isValid;
        (isValid, value) = it.tryRead();
        assertEq(abi.encode(isValid, value), abi.encode(true, wanted), "tryRead");
        (isValid, value, age) = it.tryReadWithAge();
        assertEq(
            abi.encode(isValid, value, age), abi.encode(true, wanted, wanted_at), "tryReadWithAge"
        );
        (value, isValid) = it.peek();
        assertEq(abi.encode(value, isValid), abi.encode(wanted, true), "peek");
    }

    function _assertNoValue() private {
        ChronicleReader it = ChronicleReader(adapter);
        bytes memory reason =
            abi.encodeWithSelector(IApi3ChronicleAdapter.Api3ChronicleAdapter_NoValue.selector, id);
        vm.expectRevert(reason);
        it.read();
        vm.expectRevert(reason);
        it.readWithAge();
        (bool isValid, uint256 value) = it.tryRead();
        assertEq(abi.encode(isValid, value), abi.encode(false, 0), "tryRead");
        uint256 age;
        (isValid, value, age) = it.tryReadWithAge();
        assertEq(abi.encode(isValid, value, age), abi.encode(false, 0, 0), "tryReadWithAge");
        (value, isValid) = it.peek();
        assertEq(abi.encode(value, isValid), abi.encode(0, false), "peek");
    }
}
