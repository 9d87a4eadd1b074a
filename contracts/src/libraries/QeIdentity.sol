// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TeeKind} from "../types/Tee.sol";
import {IntelJson} from "./IntelJson.sol";
import {TcbLevels} from "./TcbLevels.sol";

/// @notice What a quoting enclave's identity document says.
struct ParsedQeIdentity {
    /// @dev `TeeKind.SGX` for the QE, `TeeKind.TDX` for the TD QE.
    uint8 tee;
    uint32 number;
    /// @dev Seconds since the epoch.
    uint40 issuedAt;
    uint40 nextUpdate;
    /// @dev `MISCSELECT (4) | mask (4) | attributes (16) | mask (16) | MRSIGNER (32) | uint16
    ///      ISVPRODID`; the first four as a report has them.
    bytes identity;
    /// @dev Levels of 40 bytes.
    bytes levels;
    bytes32 levelsRoot;
}

/// @notice Enclave identity version 2, of the quoting enclaves for SGX and TDX: the signed text to
///         its last byte.
/// @dev Reference: Intel PCS API v4, "Get Quoting Enclave identity", `enclaveIdentity`.
library QeIdentity {
    /// @notice Bytes of an identity.
    uint256 internal constant IDENTITY = 74;

    /// @notice Parse a document.
    function parse(bytes memory json) internal pure returns (ParsedQeIdentity memory qe) {
        uint256 value;
        bool isTdx = IntelJson.has(json, 0, "{\"id\":\"TD_QE", 12);
        qe.tee = isTdx ? TeeKind.TDX : TeeKind.SGX;
        uint256 offset = isTdx ? 12 : IntelJson.token(json, 0, "{\"id\":\"QE", 9);
        offset = IntelJson.token(json, offset, "\",\"version\":2,\"issueDate\":\"", 27);
        (qe.issuedAt, offset) = IntelJson.time(json, offset);
        offset = IntelJson.token(json, offset, "\",\"nextUpdate\":\"", 16);
        (qe.nextUpdate, offset) = IntelJson.time(json, offset);
        offset = IntelJson.token(json, offset, "\",\"tcbEvaluationDataNumber\":", 28);
        (value, offset) = IntelJson.number(json, offset, type(uint32).max);
        // forge-lint: disable-next-line(unsafe-typecast) `number` has checked it
        qe.number = uint32(value);
        offset = _identity(qe, json, offset);
        qe.levels = TcbLevels.allocate(TcbLevels.SVN_LEVEL);
        (qe.levelsRoot, offset) = TcbLevels.parse(json, offset, qe.levels);
        IntelJson.finish(json, IntelJson.token(json, offset, "}", 1));
    }

    /// @notice What commits to a document's tables.
    function digest(bytes memory identity, bytes32 levelsRoot) internal pure returns (bytes16) {
        return bytes16(keccak256(bytes.concat(identity, levelsRoot)));
    }

    function _identity(ParsedQeIdentity memory qe, bytes memory json, uint256 offset)
        private
        pure
        returns (uint256)
    {
        bytes memory packed = new bytes(IDENTITY + 32);
        offset = _field(packed, 0, 8, json, offset, ",\"miscselect\":\"", 15);
        offset = _field(packed, 4, 8, json, offset, "\",\"miscselectMask\":\"", 20);
        offset = _field(packed, 8, 32, json, offset, "\",\"attributes\":\"", 16);
        offset = _field(packed, 24, 32, json, offset, "\",\"attributesMask\":\"", 20);
        offset = _field(packed, 40, 32, json, offset, "\",\"mrsigner\":\"", 14);
        offset = _field(packed, 56, 32, json, offset, "", 0);
        uint256 product;
        offset = IntelJson.token(json, offset, "\",\"isvprodid\":", 14);
        (product, offset) = IntelJson.number(json, offset, type(uint16).max);
        TcbLevels.put(packed, 72, bytes32(product << 240));
        TcbLevels.setLength(packed, IDENTITY);
        qe.identity = packed;
        return IntelJson.token(json, offset, ",", 1);
    }

    /// @dev A hexadecimal value behind its key, written at a position.
    function _field(
        bytes memory packed,
        uint256 start,
        uint256 digits,
        bytes memory json,
        uint256 offset,
        bytes32 key,
        uint256 keySize
    ) private pure returns (uint256) {
        uint256 value;
        offset = IntelJson.token(json, offset, key, keySize);
        (value, offset) = IntelJson.hex_(json, offset, digits);
        TcbLevels.put(packed, start, bytes32(value << (256 - 4 * digits)));
        return offset;
    }
}
