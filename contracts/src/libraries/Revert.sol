// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The reason with which a call reverted: to tell it from others, or to pass it on unchanged
library Revert {
    /// @notice Which error it is; zero for an empty reason.
    function selectorOf(bytes memory reason) internal pure returns (bytes4) {
        // forge-lint: disable-next-line(unsafe-typecast) the first four bytes are what is asked for
        return bytes4(reason);
    }

    /// @notice Revert with the reason.
    function bubble(bytes memory reason) internal pure {
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }
}
