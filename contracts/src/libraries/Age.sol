// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title How old a moment is, for readers of rounds
/// @dev A moment may lie ahead of the block by the hub's skew, so nothing here subtracts it from the
///      block's time.
library Age {
    /// @notice Whether more than `maxAge_s` seconds have passed since a moment.
    /// @param moment Seconds since the epoch, below 2^32.
    /// @param maxAge_s Seconds, below 2^255.
    function isOver(uint256 moment, uint256 maxAge_s) internal view returns (bool) {
        unchecked {
            return moment + maxAge_s < block.timestamp;
        }
    }

    /// @notice The moment, or the block's time if that is earlier: many consumers compute
    ///         `block.timestamp - updatedAt`, which must not underflow.
    function notAhead(uint256 moment) internal view returns (uint256) {
        return moment < block.timestamp ? moment : block.timestamp;
    }
}
