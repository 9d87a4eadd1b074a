// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PullReader} from "contracts/consumers/PullReader.sol";
import {IFeedHub, Round} from "contracts/interfaces/IFeedHub.sol";
import {IFeedVerifier} from "contracts/interfaces/IFeedVerifier.sol";

/// @notice Takes a price from a report, as a consumer would. For tests alone.
contract PullConsumer {
    IFeedHub private immutable _hub;
    IFeedVerifier private immutable _verifier;

    constructor(IFeedHub hub_, IFeedVerifier verifier_) {
        _hub = hub_;
        _verifier = verifier_;
    }

    /// @notice By the library compiled in.
    function price(bytes calldata report, uint16 index) external view returns (int64) {
        return PullReader.roundOf(PullReader.verify(_hub, report, 60), index).answer;
    }

    /// @notice By the shared contract.
    function priceByVerifier(bytes calldata report, uint16 index) external view returns (int64) {
        return _verifier.verify(report, index, 60).answer;
    }
}
