// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Passes the revert of a low-level call on, unchanged.
library Revert {
    function bubble(bytes memory reason) internal pure {
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }
}
