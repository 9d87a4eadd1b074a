// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IErc2362} from "contracts/interfaces/IErc2362.sol";
import {Erc2362Source, IErc2362Adapter} from "contracts/interfaces/IErc2362Adapter.sol";
import {IFeedHub} from "contracts/interfaces/IFeedHub.sol";

import {Deploy} from "../Deploy.sol";
import {AdapterSetup} from "./AdapterSetup.sol";

contract Erc2362AdapterTest is AdapterSetup {
    string private constant NAME = "Erc2362Adapter";
    bytes32 private constant ETH_USD = keccak256("Price-ETH/USD-3");
    bytes32 private constant BTC_USD = keccak256("Price-BTC/USD-18");

    bytes32[] private ids;
    IErc2362Adapter private adapter;

    function setUp() external {
        _deploy(1, 1, 3);
        ids = hub.feedIds();
        Erc2362Source[] memory sources = new Erc2362Source[](2);
        sources[0] = Erc2362Source("ETH/USD", 3, ids[2]);
        sources[1] = Erc2362Source("BTC/USD", 18, ids[1]);
        adapter = IErc2362Adapter(Deploy.shipped(NAME, abi.encode(hub, 60, sources)));
    }

    function test_selector_IsThatOfTheDraft() external pure {
        assertEq(bytes32(IErc2362.valueFor.selector), hex"f78eea83", "valueFor");
    }

    /// @dev The ids that the draft lists.
    function testVector_ids() external pure {
        assertEq(
            ETH_USD, 0xdfaa6f747f0f012e8f2069d6ecacff25f5cdf0258702051747439949737fc0b5, "ETH/USD"
        );
    }

    function test_constructor_KeepsWhatItServes() external view {
        assertEq(address(adapter.hub()), address(hub), "hub");
        assertEq(adapter.maxAge_s(), 60, "age");
        assertEq(adapter.feedOf(ETH_USD), ids[2], "ETH/USD");
        assertEq(adapter.feedOf(BTC_USD), ids[1], "BTC/USD");
        assertEq(adapter.feedOf("x"), 0, "another");
    }

    function test_constructor_SaysWhatItServes() external {
        vm.expectEmit();
        emit IErc2362Adapter.FeedServed(keccak256("Price-A/B-0"), ids[0], "A/B", 0);
        Deploy.shipped(NAME, abi.encode(hub, 60, _sources(1, "A/B", 0, ids[0])));
    }

    function test_constructor_RevertWhen_FeedsAreNoneOrTooMany() external {
        bytes4 reason = IErc2362Adapter.Erc2362Adapter_FeedCount.selector;
        _assertRefused(0, "A/B", 8, ids[0], abi.encodeWithSelector(reason, 0, 64));
        _assertRefused(65, "A/B", 8, ids[0], abi.encodeWithSelector(reason, 65, 64));
    }

    function test_constructor_RevertWhen_ThePairIsEmptyOrTooLong() external {
        bytes4 reason = IErc2362Adapter.Erc2362Adapter_PairLength.selector;
        _assertRefused(1, "", 8, ids[0], abi.encodeWithSelector(reason, 0, 64));
        string memory pair = string(new bytes(65));
        _assertRefused(1, pair, 8, ids[0], abi.encodeWithSelector(reason, 65, 64));
    }

    function test_constructor_RevertWhen_DecimalsAreTooMany() external {
        bytes4 reason = IErc2362Adapter.Erc2362Adapter_Decimals.selector;
        _assertRefused(1, "A/B", 19, ids[0], abi.encodeWithSelector(reason, 19, 18));
    }

    function test_constructor_RevertWhen_AnIdComesTwice() external {
        bytes4 reason = IErc2362Adapter.Erc2362Adapter_SameId.selector;
        bytes memory wanted = abi.encodeWithSelector(reason, keccak256("Price-A/B-8"));
        _assertRefused(2, "A/B", 8, ids[0], wanted);
    }

    function test_constructor_RevertWhen_TheFeedIsUnlisted() external {
        bytes4 reason = IFeedHub.FeedHub_UnknownFeed.selector;
        _assertRefused(1, "A/B", 8, "x", abi.encodeWithSelector(reason, bytes32("x")));
    }

    function test_constructor_RevertWhen_AgeIsUnbounded() external {
        assertEq(
            _refusal(NAME, abi.encode(hub, 0, _sources(1, "A/B", 8, ids[0]))),
            abi.encodeWithSelector(IErc2362Adapter.Erc2362Adapter_NoMaxAge.selector),
            "reason"
        );
    }

    function test_valueFor_Is200WithTheValueInTheIdsDecimals() external {
        _submit(START - 7, 2, PRICE);
        _submit(START - 7, 1, PRICE);
        _assertValue(ETH_USD, 2_500_123, START - 7, 200);
        _assertValue(BTC_USD, 2_500_123_456_780_000_000_000, START - 7, 200);
        vm.warp(START + 53);
        _assertValue(ETH_USD, 2_500_123, START - 7, 200);
    }

    function test_valueFor_IsNeverAfterTheBlock() external {
        _submit(START + SKEW_S, 2, PRICE);
        _assertValue(ETH_USD, 2_500_123, START, 200);
    }

    function testFuzz_valueFor_Is404ForAnIdThatIsNotServed(bytes32 id) external {
        vm.assume(id != ETH_USD && id != BTC_USD);
        _submit(START, 2, PRICE);
        _assertValue(id, 0, 0, 404);
    }

    function test_valueFor_Is404WhenNeverWritten() external view {
        _assertValue(ETH_USD, 0, 0, 404);
    }

    function test_valueFor_Is400WhenStale() external {
        _submit(START, 2, PRICE);
        vm.warp(START + 61);
        _assertValue(ETH_USD, 0, 0, 400);
    }

    function test_valueFor_Is400WhenPaused() external {
        _submit(START, 2, PRICE);
        vm.prank(GUARDIAN);
        hub.pauseFeed(2);
        _assertValue(ETH_USD, 0, 0, 400);
    }

    function test_valueFor_Is400WhenTooSmallForTheIdsDecimals() external {
        _submit(START, 2, 99_999);
        _assertValue(ETH_USD, 0, 0, 400);
        _submit(START + 1, 2, 100_000);
        _assertValue(ETH_USD, 1, START, 200);
    }

    function testFuzz_valueFor_IsThePlainModel(uint64 anyAnswer, uint8 anyFeed, uint8 anyDecimals)
        external
    {
        uint8 feedDecimals = uint8(bound(anyFeed, 0, 18));
        uint8 decimals = uint8(bound(anyDecimals, 0, 18));
        int64 answer = _anyAnswer(anyAnswer);
        (uint16 index, bytes32 feed) = _list(feedDecimals);
        _submit(START, index, answer);
        adapter = IErc2362Adapter(
            Deploy.shipped(NAME, abi.encode(hub, 60, _sources(1, "A/B", decimals, feed)))
        );
        uint256 wanted = uint64(answer) * 10 ** uint256(decimals) / 10 ** uint256(feedDecimals);
        bytes32 id = keccak256(abi.encodePacked("Price-A/B-", vm.toString(uint256(decimals))));
        if (wanted == 0) _assertValue(id, 0, 0, 400);
        else _assertValue(id, int256(wanted), START, 200);
    }

    function _sources(uint256 count, string memory pair, uint8 decimals, bytes32 feed)
        private
        pure
        returns (Erc2362Source[] memory sources)
    {
        sources = new Erc2362Source[](count);
        for (uint256 i = 0; i < count; ++i) {
            sources[i] = Erc2362Source(pair, decimals, feed);
        }
    }

    function _assertRefused(
        uint256 count,
        string memory pair,
        uint8 decimals,
        bytes32 feed,
        bytes memory reason
    ) private {
        Erc2362Source[] memory sources = _sources(count, pair, decimals, feed);
        assertEq(_refusal(NAME, abi.encode(hub, 60, sources)), reason, "reason");
    }

    function _assertValue(bytes32 id, int256 value, uint256 timestamp, uint256 status)
        private
        view
    {
        (int256 seen, uint256 seen_at, uint256 seenStatus) = adapter.valueFor(id);
        assertEq(
            abi.encode(seen, seen_at, seenStatus), abi.encode(value, timestamp, status), "valueFor"
        );
    }
}
