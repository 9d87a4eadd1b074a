// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub, Round} from "../interfaces/IFeedHub.sol";
import {IFeedVerifier} from "../interfaces/IFeedVerifier.sol";
import {Verified} from "../libraries/VerifiedReport.sol";
import {Lane} from "../types/Lane.sol";
import {PullReader} from "./PullReader.sol";
import {UpdateReader} from "./UpdateReader.sol";

/// @title Reports of one hub, verified; see `IFeedVerifier`
contract FeedVerifier is IFeedVerifier {
    uint256 private constant MAX_FEEDS = 1024;

    IFeedHub private immutable _hub;

    constructor(IFeedHub hub_) {
        require(address(hub_).code.length != 0, FeedVerifier_NoHub(address(hub_)));
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
        uint256 count = indexes.length;
        require(count <= MAX_FEEDS, FeedVerifier_TooManyFeeds(count, MAX_FEEDS));
        Verified verified = PullReader.verify(_hub, report, maxAge_s);
        rounds = new Round[](count);
        for (uint256 i = 0; i < count; ++i) {
            rounds[i] = PullReader.roundOf(verified, indexes[i]);
        }
    }

    /// @inheritdoc IFeedVerifier
    function updateAndRead(bytes calldata report, uint16 index, uint256 maxAge_s)
        external
        returns (Round memory)
    {
        return UpdateReader.updateAndRead(_hub, report, index, maxAge_s);
    }

    /// @inheritdoc IFeedVerifier
    function updateAndReadMany(bytes calldata report, uint16[] calldata indexes, uint256 maxAge_s)
        external
        returns (Round[] memory)
    {
        return UpdateReader.updateAndReadMany(_hub, report, indexes, maxAge_s);
    }

    /// @inheritdoc IFeedVerifier
    function verifyCached(bytes calldata report, uint16 index, uint256 maxAge_s)
        external
        returns (Lane)
    {
        return PullReader.verifyCached(_hub, report, maxAge_s).laneOf(index);
    }

    /// @inheritdoc IFeedVerifier
    function hub() external view returns (IFeedHub) {
        return _hub;
    }
}
