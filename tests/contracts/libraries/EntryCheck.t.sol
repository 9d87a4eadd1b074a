// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EntryCheck} from "contracts/libraries/EntryCheck.sol";
import {HubTable, LimitsRow, SignerRow} from "contracts/libraries/HubTable.sol";
import {ReportCodec} from "contracts/libraries/ReportCodec.sol";

import {Test} from "../Vm.sol";

/// @notice The check that asks all at once, against one that asks question by question.
contract EntryCheckTest is Test {
    using HubTable for bytes;
    using ReportCodec for bytes;

    uint256 private constant FEEDS = 12;
    uint64 private constant MIN = 1000;
    uint64 private constant MAX = uint64(type(int64).max);

    /// @dev Mostly good entries, with one field of one spoilt in half the runs.
    function testFuzz_isPassed_IsThePlainModel(uint256 seed) external pure {
        uint256 count = bound(seed, 1, FEEDS);
        uint256 spoilt = (seed >> 16) % (2 * count);
        bytes memory entries;
        bool isGood = true;
        int256 before = -1;
        for (uint256 i = 0; i < count; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            uint16 index = uint16(i);
            uint64 answer = _edge(draw);
            uint8 flags = uint8(draw >> 64 & 0x0F);
            if (i == spoilt) {
                if (draw % 3 == 0) index = uint16(draw >> 80);
                if (draw % 3 == 1) answer = _outside(draw);
                if (draw % 3 == 2) flags |= uint8(1 << (4 + (draw >> 96) % 4));
            }
            // The caller has checked that the last one is listed.
            if (i + 1 == count) index = uint16(FEEDS - 1);
            isGood = isGood && int256(uint256(index)) > before && flags < 16;
            isGood = isGood && answer >= MIN && answer <= MAX;
            before = int256(uint256(index));
            entries =
                abi.encodePacked(entries, index, answer, uint16(draw >> 112), uint8(draw), flags);
        }
        bool seen = EntryCheck.isPassed(entries.start(), entries.end(), _limits().limitsFrom(0));
        assertTrue(seen == isGood, "the model says otherwise");
    }

    /// @dev Within the bounds, often just so.
    function _edge(uint256 draw) private pure returns (uint64) {
        if (draw % 5 == 0) return MIN;
        if (draw % 5 == 1) return MAX;
        return MIN + uint64(draw >> 8) % (MAX - MIN);
    }

    /// @dev Outside the bounds, often just so; what is beyond the largest int64 is a negative answer.
    function _outside(uint256 draw) private pure returns (uint64) {
        uint64[6] memory outside = [0, MIN - 1, MAX + 1, type(uint64).max, 1, MAX + MIN];
        return outside[(draw >> 104) % 6];
    }

    function _limits() private pure returns (bytes memory) {
        LimitsRow[] memory rows = new LimitsRow[](FEEDS);
        for (uint256 i = 0; i < FEEDS; ++i) {
            rows[i] = HubTable.limitsRow(int64(MIN), int64(MAX), 65_535, 0x7FFFFFFF, i % 2 == 0);
        }
        return HubTable.encode(new SignerRow[](0), rows, bytes32(type(uint256).max));
    }
}
