// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IErc7726} from "contracts/interfaces/IErc7726.sol";
import {IErc7726Adapter} from "contracts/interfaces/IErc7726Adapter.sol";
import {IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {MulDiv} from "contracts/libraries/MulDiv.sol";

import {Deploy} from "../Deploy.sol";
import {FakeToken} from "../fakes/FakeToken.sol";
import {AdapterSetup} from "./AdapterSetup.sol";

contract Erc7726AdapterTest is AdapterSetup {
    string private constant NAME = "Erc7726Adapter";
    address private constant ETH = 0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE;
    address private constant USD = address(840);

    bytes32 private id;
    FakeToken private usdc;
    IErc7726Adapter private adapter;

    function setUp() external {
        _deploy(1, 1, 3);
        id = hub.feedIds()[2];
        usdc = new FakeToken(6);
        adapter = _adapter(id, ETH, address(usdc));
    }

    function test_selectors_AreThoseOfTheStandard() external pure {
        assertEq(bytes32(IErc7726.getQuote.selector), hex"ae68676c", "getQuote");
        assertEq(bytes32(IErc7726.OracleUnsupportedPair.selector), hex"6a6886bd", "pair");
        assertEq(bytes32(IErc7726.OracleUntrustedData.selector), hex"5d8e9233", "data");
    }

    function test_constructor_KeepsWhatItServes() external view {
        assertEq(address(adapter.hub()), address(hub), "hub");
        assertEq(adapter.feedId(), id, "feed");
        assertEq(adapter.base(), ETH, "base");
        assertEq(adapter.quote(), address(usdc), "quote");
        assertEq(adapter.maxAge_s(), 60, "age");
    }

    function test_constructor_RevertWhen_BaseIsQuote() external {
        assertEq(
            _refusal(NAME, abi.encode(hub, id, ETH, ETH, 60)),
            abi.encodeWithSelector(IErc7726Adapter.Erc7726Adapter_SameAsset.selector, ETH),
            "reason"
        );
    }

    function test_constructor_RevertWhen_AgeIsUnbounded() external {
        assertEq(
            _refusal(NAME, abi.encode(hub, id, ETH, USD, 0)),
            abi.encodeWithSelector(IErc7726Adapter.Erc7726Adapter_NoMaxAge.selector),
            "reason"
        );
    }

    function test_constructor_RevertWhen_FeedIsUnlisted() external {
        assertEq(
            _refusal(NAME, abi.encode(hub, bytes32("x"), ETH, USD, 60)),
            abi.encodeWithSelector(IFeedHub.FeedHub_UnknownFeed.selector, bytes32("x")),
            "reason"
        );
    }

    function test_constructor_RevertWhen_AnAssetHasNoDecimals() external {
        address[4] memory assets = [address(0), address(1000), address(hub), address(0xCAFE)];
        for (uint256 i = 0; i < assets.length; ++i) {
            assertEq(
                _refusal(NAME, abi.encode(hub, id, ETH, assets[i], 60)),
                abi.encodeWithSelector(
                    IErc7726Adapter.Erc7726Adapter_NoDecimals.selector, assets[i]
                ),
                "reason"
            );
        }
    }

    function test_constructor_RevertWhen_ATokenHasTooManyDecimals() external {
        _adapter(id, ETH, address(new FakeToken(36)));
        assertEq(
            _refusal(NAME, abi.encode(hub, id, new FakeToken(37), USD, 60)),
            abi.encodeWithSelector(IErc7726Adapter.Erc7726Adapter_Decimals.selector, 37, 36),
            "reason"
        );
    }

    function test_getQuote_QuotesBothDirections() external {
        _submit(START, 2, PRICE);
        assertEq(adapter.getQuote(1 ether, ETH, address(usdc)), 2_500_123_456, "forward");
        assertEq(
            adapter.getQuote(2_500_123_456, address(usdc), ETH), 999_999_999_688_015_406, "back"
        );
    }

    function test_getQuote_TakesPseudoAddressesAs18() external {
        _submit(START, 2, PRICE);
        adapter = _adapter(id, ETH, USD);
        assertEq(adapter.getQuote(3 ether, ETH, USD), 7_500_370_370_340_000_000_000, "forward");
        assertEq(adapter.getQuote(2_500_123_456_780_000_000_000, USD, ETH), 1 ether, "back");
        adapter = _adapter(id, address(999), address(1));
        assertEq(adapter.getQuote(1, address(999), address(1)), 2500, "the smallest units");
    }

    function test_getQuote_QuotesNothingForDust() external {
        _submit(START, 2, PRICE);
        assertEq(adapter.getQuote(0, ETH, address(usdc)), 0, "zero");
        assertEq(adapter.getQuote(399_980_247, ETH, address(usdc)), 0, "rounds down");
        assertEq(adapter.getQuote(399_980_248, ETH, address(usdc)), 1, "just enough");
    }

    function test_getQuote_KeepsTheDecimalsOfConstruction() external {
        _submit(START, 2, PRICE);
        usdc.set(18);
        assertEq(adapter.getQuote(1 ether, ETH, address(usdc)), 2_500_123_456, "quote");
    }

    function test_getQuote_ComputesIn512Bits() external {
        _submit(START, 2, 100_000_000);
        adapter = _adapter(id, ETH, USD);
        uint256 most = type(uint256).max;
        assertEq(adapter.getQuote(most, ETH, USD), most, "forward");
        assertEq(adapter.getQuote(most, USD, ETH), most, "back");
    }

    function test_getQuote_RevertWhen_TheQuoteDoesNotFit() external {
        _submit(START, 2, 100_000_001);
        adapter = _adapter(id, ETH, USD);
        uint256 most = type(uint256).max;
        vm.expectRevert(
            abi.encodeWithSelector(MulDiv.MulDiv_Overflow.selector, most, 100_000_001 * 1e18, 1e26)
        );
        adapter.getQuote(most, ETH, USD);
    }

    function testFuzz_getQuote_RevertWhen_ThePairIsAnother(address base, address quote) external {
        vm.assume(!(base == ETH && quote == address(usdc)));
        vm.assume(!(base == address(usdc) && quote == ETH));
        _submit(START, 2, PRICE);
        _assertUnsupported(base, quote);
        _assertUnsupported(ETH, quote == address(usdc) ? ETH : quote);
        _assertUnsupported(ETH, ETH);
        _assertUnsupported(address(usdc), address(usdc));
    }

    function test_getQuote_RevertWhen_NeverWritten() external {
        _assertUntrusted();
    }

    function test_getQuote_RevertWhen_Stale() external {
        _submit(START, 2, PRICE);
        vm.warp(START + 60);
        adapter.getQuote(1, ETH, address(usdc));
        vm.warp(START + 61);
        _assertUntrusted();
    }

    function test_getQuote_RevertWhen_Paused() external {
        _submit(START, 2, PRICE);
        vm.prank(GUARDIAN);
        hub.pauseFeed(2);
        _assertUntrusted();
    }

    function testFuzz_getQuote_IsTheFloorOfThePlainModel(
        uint64 anyAnswer,
        uint96 amount,
        uint8 anyFeed,
        uint8 anyBase,
        uint8 anyQuote
    ) external {
        uint8 feedDecimals = uint8(bound(anyFeed, 0, 18));
        FakeToken base = new FakeToken(bound(anyBase, 0, 24));
        FakeToken quote = new FakeToken(bound(anyQuote, 0, 24));
        int64 answer = _anyAnswer(anyAnswer);
        (uint16 index, bytes32 feed) = _list(feedDecimals);
        _submit(START, index, answer);
        adapter = _adapter(feed, address(base), address(quote));

        // No product exceeds 96 + 63 + 80 bits.
        uint256 price = uint64(answer) * 10 ** quote.decimals();
        uint256 unit = 10 ** (base.decimals() + feedDecimals);
        assertEq(
            adapter.getQuote(amount, address(base), address(quote)),
            amount * price / unit,
            "forward"
        );
        assertEq(
            adapter.getQuote(amount, address(quote), address(base)), amount * unit / price, "back"
        );
    }

    function _adapter(bytes32 feed, address base, address quote) private returns (IErc7726Adapter) {
        return IErc7726Adapter(Deploy.shipped(NAME, abi.encode(hub, feed, base, quote, 60)));
    }

    function _assertUnsupported(address base, address quote) private {
        vm.expectRevert(
            abi.encodeWithSelector(IErc7726.OracleUnsupportedPair.selector, base, quote)
        );
        adapter.getQuote(1, base, quote);
    }

    function _assertUntrusted() private {
        vm.expectRevert(
            abi.encodeWithSelector(IErc7726.OracleUntrustedData.selector, ETH, address(usdc))
        );
        adapter.getQuote(1, ETH, address(usdc));
        vm.expectRevert(
            abi.encodeWithSelector(IErc7726.OracleUntrustedData.selector, address(usdc), ETH)
        );
        adapter.getQuote(1, address(usdc), ETH);
    }
}
