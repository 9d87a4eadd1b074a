// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub, Round} from "../interfaces/IFeedHub.sol";
import {IFeedVerifier} from "../interfaces/IFeedVerifier.sol";
import {Verified} from "../libraries/VerifiedReport.sol";
import {Lane} from "../types/Lane.sol";
import {PullReader} from "./PullReader.sol";

/// @title Reports of one hub, verified; see `IFeedVerifier`
contract FeedVerifier is IFeedVerifier {
    IFeedHub private immutable _hub;

    constructor(IFeedHub hub_) {
        _hub = hub_;
    }

    /// @inheritdoc IFeedVerifier
    function verify(bytes calldata report, uint16 index, uint256 maxAge_s)
        external
        view
        returns (Round memory)
    {
        return PullReader.roundOf(PullReader.verify(_hub, report, maxAge_s), index);
    }

    /// @inheritdoc IFeedVerifier
    function verifyLane(bytes calldata report, uint16 index, uint256 maxAge_s)
        external
        view
        returns (Lane)
    {
        return PullReader.verify(_hub, report, maxAge_s).laneOf(index);
    }

    /// @inheritdoc IFeedVerifier
    function verifyMany(bytes calldata report, uint16[] calldata indexes, uint256 maxAge_s)
        external
        view
        returns (Round[] memory rounds)
    {
        Verified verified = PullReader.verify(_hub, report, maxAge_s);
        rounds = new Round[](indexes.length);
        for (uint256 i = 0; i < rounds.length; ++i) {
            rounds[i] = PullReader.roundOf(verified, indexes[i]);
        }
    }

    /// @inheritdoc IFeedVerifier
    function updateAndRead(bytes calldata report, uint16 index, uint256 maxAge_s)
        external
        returns (Round memory)
    {
        return PullReader.updateAndRead(_hub, report, index, maxAge_s);
    }

    /// @inheritdoc IFeedVerifier
    function hub() external view returns (IFeedHub) {
        return _hub;
    }
}
