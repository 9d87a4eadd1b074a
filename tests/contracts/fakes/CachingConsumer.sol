// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PullReader} from "contracts/consumers/PullReader.sol";
import {IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {Lane} from "contracts/types/Lane.sol";

/// @notice The library as a function to call. For tests alone.
contract CachingConsumer {
    function verifyCached(IFeedHub hub, bytes calldata report, uint16 index, uint256 maxAge_s)
        external
        returns (Lane)
    {
        return PullReader.verifyCached(hub, report, maxAge_s).laneOf(index);
    }
}
