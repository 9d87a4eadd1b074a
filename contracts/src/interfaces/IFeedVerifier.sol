// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Lane} from "../types/Lane.sol";
import {IFeedHub, Round} from "./IFeedHub.sol";

/// @title Reports of one hub, verified for whoever asks
/// @notice Stateless and without roles. The refusals are those of the hub and of `PullReader`.
interface IFeedVerifier {
    /// @notice What a report says of a feed, if the hub's quorum signed it. Stores nothing.
    /// @dev Checks signatures, seats, vendors, window, list, pauses and the bounds of every entry. Does NOT
    ///      establish that the answer is newer than the stored one, or near it.
    /// @param maxAge_s Largest age of the report, in seconds; the hub's own limit holds, too.
    function verify(bytes calldata report, uint16 index, uint256 maxAge_s)
        external
        view
        returns (Round memory);

    /// @notice The same in one word, for consumers to whom a round of five is dear.
    function verifyLane(bytes calldata report, uint16 index, uint256 maxAge_s)
        external
        view
        returns (Lane);

    /// @notice The same for several feeds of one report.
    /// @param indexes Any of the report's feeds, in any order.
    function verifyMany(bytes calldata report, uint16[] calldata indexes, uint256 maxAge_s)
        external
        view
        returns (Round[] memory);

    /// @notice Submit a report, unless the feed's stored round is as new already, and read the feed.
    /// @param maxAge_s Largest age of the round that is returned, in seconds.
    function updateAndRead(bytes calldata report, uint16 index, uint256 maxAge_s)
        external
        returns (Round memory);

    /// @notice The hub whose reports these are.
    function hub() external view returns (IFeedHub);
}
