// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "./IFeedHub.sol";
import {IPyth} from "./IPyth.sol";

/// @title Feeds of a hub, for consumers of Pyth
/// @notice Price ids are feed ids, updates are reports of the hub, and the fee is 0.
/// @dev A price is the feed's answer, `expo` minus its decimals, `publishTime` the moment at which the
///      sources gave it, which may lie ahead of the block by the hub's skew. `conf` is the largest
///      distance of a source from the answer, rounded up; beyond 65.5 % of the answer it says 65.5 %.
///
///      `getPriceUnsafe` bounds no age, as its name says. `getPriceNoOlderThan` counts seconds from now in
///      both directions, as Pyth does. Both revert with `PriceFeedNotFound` for a feed that is unlisted or
///      was never written, and with the hub's own error for one that is paused or
///      out of bounds.
///
///      Each update is passed to `hub.submit`. One that lands in part succeeds, and so does a genuine one
///      that was overtaken: of which nothing lands, while the hub has a round, in its window, of any of
///      the update's feeds; or which is too old, while the hub has rounds as new of all of them. So nobody
///      who is faster, with this update, a newer one, or one in between from which its step is too
///      large, makes the call revert. Every other refusal reverts the whole call with the hub's own error.
///      As with Pyth, success does NOT establish that a price is the update's: bound its age by
///      `getPriceNoOlderThan`. At most 32 updates and 1,024 ids a call. `updatePriceFeedsIfNecessary`
///      counts a feed that is unlisted or cannot be read as published at 0.
///
///      `parsePriceFeedUpdates` verifies every update of the range as `FeedVerifier.verify` does, and stores
///      none: all of them must be sound and in the hub's window, an hour at most, where Pyth takes any age.
///      Updates that say a moment outside the range are left out, sound or not. It does NOT
///      establish that a price is newer than the stored one, or near it, nor that it was the first of its
///      range. Of several updates in the range, the first that names a feed counts. `emaPrice` is all zeros.
///      `PriceFeedNotFoundWithinRange` for an id that is unlisted or that no update in the range names.
///
///      What reverts with `Unsupported`: moving and time-weighted averages, as the hub has none; and the
///      parsers that promise uniqueness or slots, as a report does not say which was before it.
interface IPythAdapter is IPyth {
    /// @notice The function of this selector is not served.
    error PythAdapter_Unsupported(bytes4 seen);
    /// @notice Updates cost nothing; value sent would be lost.
    error PythAdapter_ValueSent(uint256 seen);
    /// @notice More updates or ids than one call takes.
    error PythAdapter_TooMany(uint256 seen, uint256 wanted);
    /// @notice The hub is not a contract.
    error PythAdapter_NoHub(address seen);

    /// @notice The hub that reports go to and answers come from.
    function hub() external view returns (IFeedHub);
}
