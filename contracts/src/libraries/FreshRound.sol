// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub, Round} from "../interfaces/IFeedHub.sol";
import {Age} from "./Age.sol";

/// @title Rounds for interfaces that say "there is none" instead of reverting
library FreshRound {
    /// @notice The latest round of a feed, if it may be used now.
    /// @param maxAge_s Seconds; 1 to 2^32 - 1.
    /// @return isFresh False if the feed was never written, is paused, or its round is out of
    ///         bounds or older.
    /// @return round All zeros if it is not fresh.
    function tryRead(IFeedHub hub, uint16 index, uint256 maxAge_s)
        internal
        view
        returns (bool isFresh, Round memory round)
    {
        // Too little gas cannot pass for "there is none": of what makes the hub run out, the 64th part
        // that is left does not suffice to return.
        try hub.read(index) returns (Round memory latest) {
            if (!Age.isOver(latest.observedAt, maxAge_s)) return (true, latest);
        } catch {}
    }
}
