// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A vendor's list of advisories, `"NAME","NAME"`, name by name
library Advisories {
    bytes1 private constant QUOTE = "\"";
    bytes1 private constant COMMA = ",";

    /// @notice The name that begins at an offset of the list.
    /// @dev What stands between two quotes is the name; it is never empty. Each name must be looked
    ///      at, until `next` is the list's length.
    /// @param offset 0, or the `next` of the last name; below the list's length.
    /// @return name Without its quotes; of no meaning if `isSound` is false.
    /// @return next Where the next name begins; the list's length after the last; where the first
    ///         fault is, if `isSound` is false.
    /// @return isSound The list is well-formed as far as it was read.
    function nameAt(bytes calldata list, uint256 offset)
        internal
        pure
        returns (bytes calldata name, uint256 next, bool isSound)
    {
        name = list[:0];
        if (list[offset] != QUOTE) return (name, offset, false);
        uint256 start = offset + 1;
        uint256 end = start;
        while (end < list.length && list[end] != QUOTE) ++end;
        if (end == start || end == list.length) return (name, end, false);
        name = list[start:end];
        next = end + 1;
        if (next == list.length) return (name, next, true);
        // After a comma another name follows.
        if (list[next] != COMMA) return (name, next, false);
        ++next;
        return (name, next, next < list.length);
    }
}
