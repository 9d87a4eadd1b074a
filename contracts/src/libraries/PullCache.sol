// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "../interfaces/IFeedHub.sol";
import {HubWord} from "../types/HubWord.sol";

/// @title What this contract verified in this transaction, in its transient storage
/// @dev An entry says: these very bytes passed all checks of this hub while its word was this one, with this
///      stamp. The word names quorum, window, pause, whether a table is in force and which, and a table's
///      content never changes; so a revocation, a rebuild, a pause or a changed limit makes another key.
///      Only code that runs as this contract can write entries: a contract that lets others run theirs
///      (`delegatecall`) must not rely on them. A call that reverts takes its entries back.
library PullCache {
    bytes32 private constant TAG = keccak256("ConfidentialOracle.PullCache");

    /// @notice Where the entry of a report stands.
    function keyOf(IFeedHub hub, HubWord word, bytes calldata report)
        internal
        pure
        returns (bytes32 key)
    {
        bytes32 tag = TAG;
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, report.offset, report.length)
            // The rest has a fixed length, so that no two inputs read the same.
            let rest := add(free, report.length)
            mstore(rest, tag)
            mstore(add(rest, 0x20), hub)
            mstore(add(rest, 0x40), word)
            key := keccak256(free, add(report.length, 0x60))
        }
    }

    /// @return stamp What `Lanes.stamp` gave; 0 if there is no entry.
    function load(bytes32 key) internal view returns (uint256 stamp) {
        assembly ("memory-safe") {
            stamp := tload(key)
        }
    }

    /// @notice Make an entry. Reverts in a static call.
    function store(bytes32 key, uint256 stamp) internal {
        assembly ("memory-safe") {
            tstore(key, stamp)
        }
    }
}
