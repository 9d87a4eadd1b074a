// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TeeKind} from "../types/Tee.sol";
import {CallData} from "./CallData.sol";
import {IntelJson} from "./IntelJson.sol";
import {TcbLevels} from "./TcbLevels.sol";

/// @notice What a document of TCB evaluation data numbers says.
struct ParsedEvaluationNumbers {
    /// @dev `TeeKind.SGX` or `TeeKind.TDX`.
    uint8 tee;
    /// @dev Seconds since the epoch.
    uint40 issuedAt;
    uint40 nextUpdate;
    /// @dev Entries of 14 bytes: `uint32 number | uint40 recoveryAt | uint40 tcbDate`.
    bytes table;
}

/// @notice TCB evaluation data numbers version 1: the signed text to its last byte; and when
///         each became public.
/// @dev Reference: Intel PCS API v4, "Get TCB evaluation data numbers",
///      `tcbEvaluationDataNumbers`.
library EvaluationNumbers {
    uint256 internal constant ENTRY = 14;

    /// @notice The table shown is not the one committed to.
    error EvaluationNumbers_Commitment(bytes16 seen, bytes16 wanted);

    /// @notice Parse a document.
    function parse(bytes memory json)
        internal
        pure
        returns (ParsedEvaluationNumbers memory numbers)
    {
        bool isTdx = IntelJson.has(json, 0, "{\"id\":\"TDX", 10);
        numbers.tee = isTdx ? TeeKind.TDX : TeeKind.SGX;
        uint256 offset = isTdx ? 10 : IntelJson.token(json, 0, "{\"id\":\"SGX", 10);
        offset = IntelJson.token(json, offset, "\",\"version\":1,\"issueDate\":\"", 27);
        (numbers.issuedAt, offset) = IntelJson.time(json, offset);
        offset = IntelJson.token(json, offset, "\",\"nextUpdate\":\"", 16);
        (numbers.nextUpdate, offset) = IntelJson.time(json, offset);
        offset = IntelJson.token(json, offset, "\",\"tcbEvalNumbers\":[", 20);
        bytes memory table = TcbLevels.allocate(ENTRY);
        uint256 end = 0;
        bool isMore = true;
        while (isMore) {
            require(
                end < ENTRY * TcbLevels.MAX_LEVELS,
                TcbLevels.TcbLevels_TooMany(TcbLevels.MAX_LEVELS)
            );
            offset = _entry(json, offset, table, end);
            end += ENTRY;
            (isMore, offset) = IntelJson.isMore(json, offset);
        }
        TcbLevels.setLength(table, end);
        numbers.table = table;
        IntelJson.finish(json, IntelJson.token(json, offset, "}", 1));
    }

    /// @notice What commits to a table.
    function digest(bytes memory table) internal pure returns (bytes16) {
        return bytes16(keccak256(table));
    }

    /// @notice When a number became public, and when one above it did.
    /// @param committed What `IIntelCollateral` has of the table.
    /// @param table The whole table, as in the event.
    /// @return publicSince Seconds since the epoch; 0 if the table lacks the number.
    /// @return supersededAt Seconds since the epoch, of the first that did; the greatest uint64 if
    ///         there is none.
    function dates(bytes16 committed, bytes calldata table, uint32 number)
        internal
        pure
        returns (uint64 publicSince, uint64 supersededAt)
    {
        bytes16 seen = bytes16(CallData.keccak(table));
        require(seen == committed, EvaluationNumbers_Commitment(seen, committed));
        supersededAt = type(uint64).max;
        unchecked {
            for (uint256 i; i < table.length; i += ENTRY) {
                uint32 found = CallData.u32(table, i);
                uint64 recoveryAt = CallData.u40(table, i + 4);
                if (found == number) publicSince = recoveryAt;
                else if (found > number && recoveryAt < supersededAt) supersededAt = recoveryAt;
            }
        }
    }

    function _entry(bytes memory json, uint256 offset, bytes memory table, uint256 end)
        private
        pure
        returns (uint256)
    {
        uint256 number;
        uint256 recoveryAt;
        uint256 tcbDate;
        offset = IntelJson.token(json, offset, "{\"tcbEvaluationDataNumber\":", 27);
        (number, offset) = IntelJson.number(json, offset, type(uint32).max);
        offset = IntelJson.token(json, offset, ",\"tcbRecoveryEventDate\":\"", 25);
        (recoveryAt, offset) = IntelJson.time(json, offset);
        offset = IntelJson.token(json, offset, "\",\"tcbDate\":\"", 13);
        (tcbDate, offset) = IntelJson.time(json, offset);
        TcbLevels.put(table, end, bytes32((number << 80 | recoveryAt << 40 | tcbDate) << 144));
        return IntelJson.token(json, offset, "\"}", 2);
    }
}
