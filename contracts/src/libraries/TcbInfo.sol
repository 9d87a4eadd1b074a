// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TeeKind} from "../types/Tee.sol";
import {Der} from "./Der.sol";
import {IntelJson} from "./IntelJson.sol";
import {IntelScan} from "./IntelScan.sol";
import {TcbLevels} from "./TcbLevels.sol";

/// @notice What a TCB info document says.
struct ParsedTcbInfo {
    /// @dev `TeeKind.SGX` or `TeeKind.TDX`.
    uint8 tee;
    bytes6 fmspc;
    bytes2 pceId;
    uint32 number;
    /// @dev Seconds since the epoch.
    uint40 issuedAt;
    uint40 nextUpdate;
    /// @dev For each TDX module, `tdxModule` (id 0) last: `uint8 id | MRSIGNER (48) | attributes
    ///      (8) | mask (8) | uint8 count | count levels of 40 bytes`. Empty for SGX.
    bytes modules;
    bytes32 modulesRoot;
    /// @dev Platform levels of 72 bytes.
    bytes levels;
    bytes32 levelsRoot;
}

/// @notice TCB info version 3, SGX and TDX: the signed text to its last byte.
/// @dev Reference: Intel PCS API v4, "Get TCB info", `tcbInfo`.
library TcbInfo {
    /// @notice Bytes of a platform level: `16 SGX component versions | 16 TDX component versions |
    ///         uint16 PCESVN | uint8 status | uint40 date | bytes32 advisories`.
    uint256 internal constant PLATFORM_LEVEL = 72;
    /// @notice Bytes of a module before its levels: `uint8 id | MRSIGNER | attributes | mask`.
    uint256 internal constant MODULE_HEAD = 65;
    /// @notice Identities of TDX modules that a document may have, besides `tdxModule`.
    uint256 internal constant MAX_MODULES = 16;

    /// @notice Two identities of one module, or one with the id 0, which stands for `tdxModule`.
    error TcbInfo_DuplicateModule(uint256 seen);
    /// @notice More identities of modules than a document may have.
    error TcbInfo_TooManyModules(uint256 wantedMax);

    /// @notice Parse a document.
    function parse(bytes memory json) internal pure returns (ParsedTcbInfo memory info) {
        uint256 offset = _head(info, json);
        if (info.tee == TeeKind.TDX) offset = _modulesOf(info, json, offset);
        offset = _levels(info, json, offset);
        IntelJson.finish(json, IntelJson.token(json, offset, "}", 1));
    }

    /// @notice What commits to a document's tables: who uses one shows the rest of this.
    function digest(bytes2 pceId, bytes32 modulesRoot, bytes32 levelsRoot)
        internal
        pure
        returns (bytes16)
    {
        return bytes16(keccak256(abi.encodePacked(pceId, modulesRoot, levelsRoot)));
    }

    function _head(ParsedTcbInfo memory info, bytes memory json)
        private
        pure
        returns (uint256 offset)
    {
        uint256 value;
        bool isTdx = IntelJson.has(json, 0, "{\"id\":\"TDX", 10);
        info.tee = isTdx ? TeeKind.TDX : TeeKind.SGX;
        offset = isTdx ? 10 : IntelJson.token(json, 0, "{\"id\":\"SGX", 10);
        offset = IntelJson.token(json, offset, "\",\"version\":3,\"issueDate\":\"", 27);
        (info.issuedAt, offset) = IntelJson.time(json, offset);
        offset = IntelJson.token(json, offset, "\",\"nextUpdate\":\"", 16);
        (info.nextUpdate, offset) = IntelJson.time(json, offset);
        offset = IntelJson.token(json, offset, "\",\"fmspc\":\"", 11);
        (value, offset) = IntelJson.hex_(json, offset, 12);
        // forge-lint: disable-next-line(unsafe-typecast) twelve digits
        info.fmspc = bytes6(uint48(value));
        offset = IntelJson.token(json, offset, "\",\"pceId\":\"", 11);
        (value, offset) = IntelJson.hex_(json, offset, 4);
        // forge-lint: disable-next-line(unsafe-typecast) four digits
        info.pceId = bytes2(uint16(value));
        offset = IntelJson.token(json, offset, "\",\"tcbType\":0,", 14);
        offset = IntelJson.token(json, offset, "\"tcbEvaluationDataNumber\":", 26);
        (value, offset) = IntelJson.number(json, offset, type(uint32).max);
        // forge-lint: disable-next-line(unsafe-typecast) `number` has checked it
        info.number = uint32(value);
        offset = IntelJson.token(json, offset, ",", 1);
    }

    function _levels(ParsedTcbInfo memory info, bytes memory json, uint256 offset)
        private
        pure
        returns (uint256)
    {
        bytes memory table = TcbLevels.allocate(PLATFORM_LEVEL);
        uint256 end = 0;
        bool isMore = true;
        offset = IntelJson.token(json, offset, "\"tcbLevels\":[", 13);
        while (isMore) {
            require(
                end < PLATFORM_LEVEL * TcbLevels.MAX_LEVELS,
                TcbLevels.TcbLevels_TooMany(TcbLevels.MAX_LEVELS)
            );
            offset = _level(json, offset, table, end, info.tee == TeeKind.TDX);
            end += PLATFORM_LEVEL;
            (isMore, offset) = IntelJson.isMore(json, offset);
        }
        TcbLevels.setLength(table, end);
        info.levels = table;
        info.levelsRoot = TcbLevels.root(table, 0, PLATFORM_LEVEL);
        return offset;
    }

    function _level(bytes memory json, uint256 offset, bytes memory table, uint256 end, bool isTdx)
        private
        pure
        returns (uint256)
    {
        uint256 versions;
        uint256 pceSvn;
        uint256 tdxVersions = 0;
        offset = IntelJson.token(json, offset, "{\"tcb\":{\"sgxtcbcomponents\":[", 28);
        (versions, offset) = _components(json, offset);
        offset = IntelJson.token(json, offset, ",\"pcesvn\":", 10);
        (pceSvn, offset) = IntelJson.number(json, offset, type(uint16).max);
        if (isTdx) {
            offset = IntelJson.token(json, offset, ",\"tdxtcbcomponents\":[", 21);
            (tdxVersions, offset) = _components(json, offset);
        }
        TcbLevels.put(table, end, bytes32(versions << 128 | tdxVersions));
        return TcbLevels.grade(json, offset, pceSvn, table, end + 32);
    }

    /// @dev Sixteen security versions and the bracket after them; the first is the highest byte.
    function _components(bytes memory json, uint256 offset)
        private
        pure
        returns (uint256 versions, uint256 next)
    {
        (versions, next) = IntelScan.components(json, offset);
        if (next > 0) return (versions, next);
        versions = 0;
        unchecked {
            for (uint256 left = 15; left > 0; --left) {
                uint256 value;
                (value, offset) = _component(json, offset);
                offset = IntelJson.token(json, offset, ",", 1);
                versions = versions << 8 | value;
            }
            uint256 last;
            (last, offset) = _component(json, offset);
            return (versions << 8 | last, IntelJson.token(json, offset, "]", 1));
        }
    }

    /// @dev `{"svn":0}`, as most are, or with more digits or labels, which decide nothing.
    function _component(bytes memory json, uint256 offset)
        private
        pure
        returns (uint256 value, uint256)
    {
        unchecked {
            if (IntelJson.has(json, offset, "{\"svn\":0}", 9)) return (0, offset + 9);
            offset = IntelJson.token(json, offset, "{\"svn\":", 7);
            (value, offset) = IntelJson.number(json, offset, type(uint8).max);
            if (IntelJson.has(json, offset, ",\"category\":\"", 13)) {
                offset = IntelJson.textEnd(json, offset + 13) + 1;
            }
            if (IntelJson.has(json, offset, ",\"type\":\"", 9)) {
                offset = IntelJson.textEnd(json, offset + 9) + 1;
            }
            return (value, IntelJson.token(json, offset, "}", 1));
        }
    }

    /// @dev `tdxModule`, then the identities, if the document has any.
    function _modulesOf(ParsedTcbInfo memory info, bytes memory json, uint256 offset)
        private
        pure
        returns (uint256)
    {
        bytes memory last;
        offset = IntelJson.token(json, offset, "\"tdxModule\":{", 13);
        (last, offset) = _moduleHead(json, offset, 0);
        offset = IntelJson.token(json, offset, "},", 2);
        info.modulesRoot = keccak256(bytes.concat(last, bytes32(0), bytes32(0)));
        if (IntelJson.has(json, offset, "\"tdxModuleIdentities\":[]", 24)) {
            offset = IntelJson.token(json, offset + 24, ",", 1);
        } else if (IntelJson.has(json, offset, "\"tdxModuleIdentities\":[", 23)) {
            uint256[2] memory known = [uint256(1), 0];
            offset = _identities(info, json, offset + 23, known);
            offset = IntelJson.token(json, offset, ",", 1);
        }
        info.modules = bytes.concat(info.modules, last, hex"00");
        return offset;
    }

    /// @dev From one identity to the end of their list; the root is chained on the way back.
    /// @param known One bit for each id that has occurred, and how many identities there were.
    function _identities(
        ParsedTcbInfo memory info,
        bytes memory json,
        uint256 offset,
        uint256[2] memory known
    ) private pure returns (uint256) {
        require(known[1] < MAX_MODULES, TcbInfo_TooManyModules(MAX_MODULES));
        uint256 id;
        bytes memory head;
        offset = IntelJson.token(json, offset, "{\"id\":\"TDX_", 11);
        (id, offset) = IntelJson.hex_(json, offset, 2);
        require(known[0] & (1 << id) == 0, TcbInfo_DuplicateModule(id));
        known[0] |= 1 << id;
        ++known[1];
        offset = IntelJson.token(json, offset, "\",", 2);
        (head, offset) = _moduleHead(json, offset, id);
        offset = IntelJson.token(json, offset, ",", 1);
        bytes memory levels = TcbLevels.allocate(TcbLevels.SVN_LEVEL);
        bytes32 root;
        (root, offset) = TcbLevels.parse(json, offset, levels);
        offset = IntelJson.token(json, offset, "}", 1);
        // forge-lint: disable-next-line(unsafe-typecast) at most `MAX_LEVELS`
        uint8 count = uint8(levels.length / TcbLevels.SVN_LEVEL);
        info.modules = bytes.concat(info.modules, head, bytes1(count), levels);
        bool isMore;
        (isMore, offset) = IntelJson.isMore(json, offset);
        if (isMore) offset = _identities(info, json, offset, known);
        info.modulesRoot = keccak256(bytes.concat(head, root, info.modulesRoot));
        return offset;
    }

    /// @dev From `"mrsigner"` to the quote after the mask.
    function _moduleHead(bytes memory json, uint256 offset, uint256 id)
        private
        pure
        returns (bytes memory head, uint256)
    {
        uint256[3] memory signer;
        uint256 attributes;
        uint256 mask;
        offset = IntelJson.token(json, offset, "\"mrsigner\":\"", 12);
        for (uint256 i; i < 3; ++i) {
            (signer[i], offset) = IntelJson.hex_(json, offset, 32);
        }
        offset = IntelJson.token(json, offset, "\",\"attributes\":\"", 16);
        (attributes, offset) = IntelJson.hex_(json, offset, 16);
        offset = IntelJson.token(json, offset, "\",\"attributesMask\":\"", 20);
        (mask, offset) = IntelJson.hex_(json, offset, 16);
        offset = IntelJson.token(json, offset, "\"", 1);
        head = new bytes(MODULE_HEAD + 31);
        TcbLevels.put(head, 0, bytes32(id << 248));
        for (uint256 i; i < 3; ++i) {
            TcbLevels.put(head, 1 + 16 * i, bytes32(signer[i] << 128));
        }
        TcbLevels.put(head, 49, bytes32(attributes << 192 | mask << 128));
        TcbLevels.setLength(head, MODULE_HEAD);
        return (head, offset);
    }
}
