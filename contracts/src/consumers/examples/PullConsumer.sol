// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "../../interfaces/IFeedHub.sol";
import {IFeedVerifier} from "../../interfaces/IFeedVerifier.sol";
import {IPullConsumer} from "../../interfaces/IPullConsumer.sol";
import {PullReader} from "../PullReader.sol";

/// @title A consumer that brings its own report; see `IPullConsumer`
contract PullConsumer is IPullConsumer {
    IFeedHub private immutable _hub;
    IFeedVerifier private immutable _verifier;
    uint32 private immutable _maxAge_s;

    constructor(IFeedHub hub_, IFeedVerifier verifier_, uint32 maxAge_s_) {
        require(address(hub_).code.length != 0, PullConsumer_NoContract(address(hub_)));
        require(address(verifier_).code.length != 0, PullConsumer_NoContract(address(verifier_)));
        _hub = hub_;
        _verifier = verifier_;
        _maxAge_s = maxAge_s_;
    }

    /// @inheritdoc IPullConsumer
    function price(bytes calldata report, uint16 index) external view returns (int64) {
        return PullReader.verify(_hub, report, _maxAge_s).laneOf(index).value();
    }

    /// @inheritdoc IPullConsumer
    function priceByVerifier(bytes calldata report, uint16 index) external view returns (int64) {
        return _verifier.verifyLane(report, index, _maxAge_s).value();
    }
}
