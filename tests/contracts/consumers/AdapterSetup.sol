// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FeedListing, IFeedHub} from "contracts/interfaces/IFeedHub.sol";

import {FeedHubSetup} from "../FeedHubSetup.sol";

/// @notice A hub for the tests of adapters: one signature is enough, and feeds of any decimals.
abstract contract AdapterSetup is FeedHubSetup {
    int64 internal constant PRICE = 250_012_345_678;

    /// @dev Lists one more feed, whose answers may be any positive number.
    function _list(uint8 decimals) internal returns (uint16 index, bytes32 id) {
        FeedListing memory listing = _listing(1000);
        listing.decimals = decimals;
        listing.minAnswer = 1;
        listing.maxAnswer = type(int64).max;
        _govern(hub, abi.encodeCall(IFeedHub.listFeed, (listing)));
        hub.rebuild();
        bytes32[] memory ids = hub.feedIds();
        return (uint16(ids.length - 1), ids[ids.length - 1]);
    }

    function _submit(uint256 observedAt, uint16 index, int64 value) internal {
        hub.submit(_report(observedAt, _one(index, value), 1));
    }

    /// @dev A positive answer of any size.
    function _anyAnswer(uint64 any) internal pure returns (int64) {
        return int64(uint64(bound(any, 1, uint64(type(int64).max))));
    }
}
