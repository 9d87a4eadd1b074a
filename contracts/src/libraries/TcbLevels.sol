// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TcbStatus} from "../types/TcbStatus.sol";
import {Der} from "./Der.sol";
import {IntelJson} from "./IntelJson.sol";
import {IntelScan} from "./IntelScan.sol";

/// @notice Levels of security versions in Intel's JSON, packed into a table, and the table's root.
/// @dev A packed level ends in `uint16 svn | uint8 status | uint40 date | bytes32 advisories`;
///      before it a platform level has 32 component versions. The root chains from the end,
///      `root(i) = keccak256(level(i) | root(i + 1))`, so that who proves a level shows it, those
///      before it, and one hash.
library TcbLevels {
    /// @notice Bytes of a level of one security version: quoting enclaves and TDX modules.
    uint256 internal constant SVN_LEVEL = 40;
    uint256 internal constant MAX_LEVELS = 64;

    /// @notice The status is none of the seven that are known.
    error TcbLevels_Status(uint256 offset, bytes32 hash);
    /// @notice More levels than a list may have.
    error TcbLevels_TooMany(uint256 wantedMax);

    /// @notice Memory for a table, and for one word after it, which `root` uses.
    function allocate(uint256 size) internal pure returns (bytes memory table) {
        table = new bytes(size * MAX_LEVELS + 32);
        setLength(table, 0);
    }

    /// @notice What a table that is being filled has come to.
    function setLength(bytes memory table, uint256 length) internal pure {
        assembly ("memory-safe") {
            mstore(table, length)
        }
    }

    /// @notice Write a word into a table's memory, at or behind its end.
    function put(bytes memory table, uint256 offset, bytes32 value) internal pure {
        assembly ("memory-safe") {
            mstore(add(add(table, 0x20), offset), value)
        }
    }

    /// @notice Add a list of levels of one security version, from `"tcbLevels":[` to its bracket.
    /// @return root_ The root of this list alone.
    function parse(bytes memory json, uint256 offset, bytes memory table)
        internal
        pure
        returns (bytes32 root_, uint256 next)
    {
        uint256 start = table.length;
        uint256 end = start;
        bool isMore = true;
        offset = IntelJson.token(json, offset, "\"tcbLevels\":[", 13);
        while (isMore) {
            require(end + SVN_LEVEL <= SVN_LEVEL * MAX_LEVELS, TcbLevels_TooMany(MAX_LEVELS));
            uint256 svn;
            offset = IntelJson.token(json, offset, "{\"tcb\":{\"isvsvn\":", 17);
            (svn, offset) = IntelJson.number(json, offset, type(uint16).max);
            offset = grade(json, offset, svn, table, end);
            end += SVN_LEVEL;
            (isMore, offset) = IntelJson.isMore(json, offset);
        }
        setLength(table, end);
        return (root(table, start, SVN_LEVEL), offset);
    }

    /// @notice The rest of a level, after its last security version; written with that version.
    function grade(bytes memory json, uint256 offset, uint256 svn, bytes memory table, uint256 end)
        internal
        pure
        returns (uint256)
    {
        uint256 date;
        uint256 status;
        uint256 advisories;
        offset = IntelJson.token(json, offset, "},\"tcbDate\":\"", 13);
        (date, offset) = IntelJson.time(json, offset);
        offset = IntelJson.token(json, offset, "\",\"tcbStatus\":\"", 15);
        (status, offset) = _status(json, offset);
        (advisories, offset) = _advisories(json, offset + 1);
        put(table, end, bytes32((svn << 48 | status << 40 | date) << 192));
        put(table, end + 8, bytes32(advisories));
        return IntelJson.token(json, offset, "}", 1);
    }

    /// @notice The root of the levels of `size` bytes from `start` to the table's end.
    function root(bytes memory table, uint256 start, uint256 size)
        internal
        pure
        returns (bytes32 hash)
    {
        assembly ("memory-safe") {
            let first := add(add(table, 0x20), start)
            let level := add(add(table, 0x20), mload(table))
            for {} gt(level, first) {} {
                // The word after the level gives way while the hash is made.
                let saved := mload(level)
                mstore(level, hash)
                level := sub(level, size)
                hash := keccak256(level, add(size, 0x20))
                mstore(add(level, size), saved)
            }
        }
    }

    /// @return status Its number.
    /// @return end Position of the closing quote.
    function _status(bytes memory json, uint256 offset)
        private
        pure
        returns (uint256 status, uint256 end)
    {
        end = IntelJson.textEnd(json, offset);
        bytes32 hash = Der.keccak(json, offset, end);
        if (hash == keccak256("UpToDate")) return (TcbStatus.UP_TO_DATE, end);
        if (hash == keccak256("OutOfDate")) return (TcbStatus.OUT_OF_DATE, end);
        if (hash == keccak256("SWHardeningNeeded")) {
            return (TcbStatus.SW_HARDENING_NEEDED, end);
        }
        if (hash == keccak256("ConfigurationNeeded")) {
            return (TcbStatus.CONFIGURATION_NEEDED, end);
        }
        if (hash == keccak256("ConfigurationAndSWHardeningNeeded")) {
            return (TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED, end);
        }
        if (hash == keccak256("OutOfDateConfigurationNeeded")) {
            return (TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED, end);
        }
        require(hash == keccak256("Revoked"), TcbLevels_Status(offset, hash));
        return (TcbStatus.REVOKED, end);
    }

    /// @return hash keccak256 of the list between its brackets; 0 when it is empty or not there.
    function _advisories(bytes memory json, uint256 offset)
        private
        pure
        returns (uint256 hash, uint256 next)
    {
        if (!IntelJson.has(json, offset, ",\"advisoryIDs\":[", 16)) return (0, offset);
        uint256 start = offset + 16;
        if (IntelJson.has(json, start, "]", 1)) return (0, start + 1);
        next = IntelScan.advisories(json, start);
        if (next == 0) next = IntelJson.texts(json, start);
        hash = uint256(Der.keccak(json, start, next - 1));
    }
}
