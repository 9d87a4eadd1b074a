// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guards, OracleReader} from "contracts/consumers/OracleReader.sol";
import {AggregatorV3Interface} from "contracts/interfaces/AggregatorV3Interface.sol";
import {IFeedHub, Round} from "contracts/interfaces/IFeedHub.sol";

/// @notice The library as functions to call. For tests alone.
contract GuardedConsumer {
    function read(IFeedHub hub, uint16 index, Guards calldata guards)
        external
        view
        returns (Round memory)
    {
        return OracleReader.read(hub, index, guards);
    }

    function readMany(IFeedHub hub, uint16[] calldata indexes, Guards calldata guards)
        external
        view
        returns (Round[] memory)
    {
        return OracleReader.readMany(hub, indexes, guards);
    }

    function checkSequencer(AggregatorV3Interface uptime, uint32 grace_s) external view {
        OracleReader.checkSequencer(uptime, grace_s);
    }
}
