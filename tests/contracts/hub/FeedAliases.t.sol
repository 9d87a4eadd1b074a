// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FeedListing, IFeedHub, Round} from "contracts/interfaces/IFeedHub.sol";
import {IGoverned} from "contracts/interfaces/IGoverned.sol";

import {FeedHubSetup} from "../FeedHubSetup.sol";

/// @notice Feeds 0 to 2 have 8 decimals, feed 3 has 6.
contract FeedAliasesTest is FeedHubSetup {
    bytes32 private constant NAME = "ETH/USD";
    int64 private constant PRICE = 5_000_000;

    function setUp() external {
        _deploy(1, 1, 3);
        FeedListing memory listing = _listing(3);
        listing.decimals = 6;
        _govern(hub, abi.encodeCall(IFeedHub.listFeed, (listing)));
        hub.rebuild();
    }

    function test_setAlias_PointsANameAtAFeed() external {
        _submit(1, START, PRICE);
        bytes32 id = hub.feedIds()[1];
        bytes memory call = abi.encodeCall(IFeedHub.setAlias, (NAME, 1));
        vm.prank(GOVERNANCE);
        hub.propose(call);
        vm.expectEmit();
        emit IFeedHub.AliasSet(NAME, id, 1, 0);
        hub.execute(call);
        assertEq(hub.aliasIndex(NAME), 1, "index");
        assertEq(abi.encode(hub.readAlias(NAME)), abi.encode(hub.read(1)), "round");
    }

    function test_setAlias_MovesToARoundOfTheSameMomentOrNewer() external {
        _submit(0, START, PRICE);
        _submit(1, START, PRICE + 1);
        _submit(2, START + 1, PRICE + 2);
        _alias(NAME, 0);
        bytes memory call = abi.encodeCall(IFeedHub.setAlias, (NAME, 1));
        bytes32[] memory ids = hub.feedIds();
        vm.prank(GOVERNANCE);
        hub.propose(call);
        vm.expectEmit();
        emit IFeedHub.AliasSet(NAME, ids[1], 1, ids[0]);
        hub.execute(call);
        assertEq(hub.readAlias(NAME).answer, PRICE + 1, "same moment");
        _alias(NAME, 2);
        assertEq(hub.readAlias(NAME).answer, PRICE + 2, "newer");
    }

    function test_setAlias_LeavesOtherNamesAlone() external {
        _alias(NAME, 0);
        _alias("LINK/USD", 1);
        _alias("Ether", 0);
        _alias(NAME, 2);
        assertEq(hub.aliasIndex(NAME), 2, "moved");
        assertEq(hub.aliasIndex("LINK/USD"), 1, "another feed");
        assertEq(hub.aliasIndex("Ether"), 0, "the same feed");
    }

    function test_setAlias_RevertWhen_NotThroughTheDelay() external {
        address[3] memory callers = [GOVERNANCE, GUARDIAN, STRANGER];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.prank(callers[i]);
            vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_NotSelf.selector, callers[i]));
            hub.setAlias(NAME, 1);
        }
    }

    function test_setAlias_RevertWhen_NameIsEmpty() external {
        _expectRefused(0, 1, abi.encodeWithSelector(IFeedHub.FeedHub_EmptyAlias.selector));
    }

    function test_setAlias_RevertWhen_FeedIsUnlisted() external {
        _expectRefused(
            NAME, 4, abi.encodeWithSelector(IFeedHub.FeedHub_UnlistedFeed.selector, 4, 4)
        );
    }

    function test_setAlias_RevertWhen_ItPointsThereAlready() external {
        _alias(NAME, 1);
        _expectRefused(
            NAME, 1, abi.encodeWithSelector(IFeedHub.FeedHub_AliasUnchanged.selector, NAME, 1)
        );
    }

    function test_setAlias_RevertWhen_DecimalsDiffer() external {
        _alias(NAME, 1);
        _expectRefused(
            NAME, 3, abi.encodeWithSelector(IFeedHub.FeedHub_AliasDecimals.selector, 6, 8)
        );
    }

    function test_setAlias_RevertWhen_TheRoundIsOlder() external {
        _submit(0, START - 1, PRICE);
        _submit(1, START, PRICE);
        _alias(NAME, 1);
        _expectRefused(
            NAME, 0, abi.encodeWithSelector(IFeedHub.FeedHub_AliasOlder.selector, START - 1, START)
        );
        _expectRefused(
            NAME, 2, abi.encodeWithSelector(IFeedHub.FeedHub_AliasOlder.selector, 0, START)
        );
    }

    /// @dev A pause must not let a name go back: the stored round counts, readable or not.
    function test_setAlias_RevertWhen_OlderThanARoundThatIsPaused() external {
        _submit(0, START - 1, PRICE);
        _submit(1, START, PRICE);
        _alias(NAME, 1);
        vm.prank(GUARDIAN);
        hub.pauseFeed(1);
        _expectRefused(
            NAME, 0, abi.encodeWithSelector(IFeedHub.FeedHub_AliasOlder.selector, START - 1, START)
        );
    }

    function test_readAlias_RevertWhen_UnknownNeverWrittenPausedOrOutOfBounds() external {
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_UnknownAlias.selector, NAME));
        hub.readAlias(NAME);
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_UnknownAlias.selector, NAME));
        hub.aliasIndex(NAME);
        _alias(NAME, 1);
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_NeverWritten.selector, 1));
        hub.readAlias(NAME);
        _submit(1, START, PRICE);
        vm.prank(GUARDIAN);
        hub.pauseFeed(1);
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_FeedPaused.selector, 1, START + 7 days)
        );
        hub.readAlias(NAME);
        vm.prank(GOVERNANCE);
        hub.unpauseFeed(1);
        _govern(hub, abi.encodeCall(hub.setFeedLimits, (1, 1, PRICE - 1, 1000, 3600)));
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_OutOfBounds.selector, 1, PRICE, 1, PRICE - 1)
        );
        hub.readAlias(NAME);
    }

    function testFuzz_readAlias_IsTheRoundOfItsFeed(bytes32 name, uint16 index, uint32 age_s)
        external
    {
        vm.assume(name != 0);
        index %= 4;
        _submit(index, START - age_s % MAX_AGE_S, PRICE);
        _alias(name, index);
        Round memory round = hub.readAlias(name);
        assertEq(abi.encode(round), abi.encode(hub.read(index)), "round");
        bytes32 other = bytes32(uint256(name) ^ 1);
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_UnknownAlias.selector, other));
        hub.readAlias(other);
    }

    function _submit(uint16 index, uint256 observedAt, int64 value) private {
        hub.submit(_report(observedAt, _one(index, value), 1));
    }

    function _alias(bytes32 name, uint16 index) private {
        _govern(hub, abi.encodeCall(IFeedHub.setAlias, (name, index)));
    }

    function _expectRefused(bytes32 name, uint16 index, bytes memory reason) private {
        bytes memory call = abi.encodeCall(IFeedHub.setAlias, (name, index));
        vm.prank(GOVERNANCE);
        hub.propose(call);
        vm.expectRevert(reason);
        hub.execute(call);
    }
}
