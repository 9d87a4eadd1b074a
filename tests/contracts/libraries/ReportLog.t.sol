// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {ReportLog} from "contracts/libraries/ReportLog.sol";

import {Test} from "../Vm.sol";

contract ReportLogTest is Test {
    /// @dev A call of its own, which the library ends.
    function accept(uint32 observedAt, uint64 mask, bytes memory entries) external {
        ReportLog.accepted(observedAt, mask, entries);
    }

    function testFuzz_accepted_IsTheEventOfTheInterface(
        uint32 observedAt,
        uint64 mask,
        bytes memory entries
    ) external {
        vm.expectEmit();
        emit IFeedHub.ReportAccepted(observedAt, address(this), mask, entries);
        this.accept(observedAt, mask, entries);
    }
}
