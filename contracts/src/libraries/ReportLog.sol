// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "../interfaces/IFeedHub.sol";

/// @title The end of a call that took a report
/// @dev Does not come back; nothing after it runs.
library ReportLog {
    /// @notice Emit `IFeedHub.ReportAccepted` by the caller, and end the call.
    /// @dev What the compiler would write, less a copy of the entries: the fields go into the memory before
    ///      them, which nobody needs any more, be it the compiler's own.
    /// @param observedAt Below 2^32.
    /// @param mask Below 2^64.
    /// @param entries In memory of its own, padded with zeros to whole words.
    function accepted(uint256 observedAt, uint256 mask, bytes memory entries) internal {
        bytes32 topic = IFeedHub.ReportAccepted.selector;
        assembly {
            let data := sub(entries, 0x60)
            mstore(data, caller())
            mstore(add(data, 0x20), mask)
            mstore(add(data, 0x40), 0x60)
            log2(data, add(0x80, and(add(mload(entries), 31), not(31))), topic, observedAt)
            stop()
        }
    }
}
