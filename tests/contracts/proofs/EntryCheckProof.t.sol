// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EntryCheck} from "contracts/libraries/EntryCheck.sol";
import {HubTable, LimitsRow, SignerRow} from "contracts/libraries/HubTable.sol";
import {ReportCodec} from "contracts/libraries/ReportCodec.sol";

import {Proof} from "./Proof.sol";

/// @notice Order and bounds of a report that is pulled: `EntryCheck.isPassed` says exactly if every
///         entry keeps the rules, written out one after the other. It reads limits where `HubTable.encode`
///         put them.
/// @dev For every value, quality and limits. Bounded to two entries and two feeds, of which one or both are
///      within the list, and one index beyond.
contract EntryCheckProof is Proof {
    using ReportCodec for bytes;

    uint256 private constant FEEDS = 2;

    struct Entry {
        uint16 index;
        int64 value;
        uint32 quality;
    }

    struct Limits {
        int64 min;
        int64 max;
        uint16 jumpBps;
        uint32 jumpLapse_s;
        bool keepsHistory;
    }

    function check_isPassed_TakesExactlyWhatTheRulesTake(
        Entry[2] memory entries,
        Limits[2] memory limits,
        bytes32 listRoot,
        uint160 signer
    ) public pure {
        bytes memory packed;
        LimitsRow[] memory rows = new LimitsRow[](FEEDS);
        for (uint256 i = 0; i < FEEDS; ++i) {
            Entry memory entry = entries[i];
            entry.index = uint16(_each(entry.index, FEEDS + 1));
            packed = abi.encodePacked(packed, entry.index, entry.value, entry.quality);
            rows[i] = _row(limits[i]);
        }
        SignerRow[] memory signers = new SignerRow[](1);
        signers[0] = SignerRow.wrap(uint256(signer) << 48);
        bytes memory table = HubTable.encode(signers, rows, listRoot);
        uint256 last = entries[1].index;
        // The caller has checked that the last one is listed.
        if (last >= FEEDS) return;
        bool isPassed =
            EntryCheck.isPassed(packed.start(), packed.end(), HubTable.limitsFrom(table, 1));
        bool isOrdered = entries[0].index < last;
        assert(
            isPassed == (isOrdered && _isRight(entries[0], limits) && _isRight(entries[1], limits))
        );
    }

    function _isRight(Entry memory entry, Limits[2] memory limits) private pure returns (bool) {
        Limits memory limit = limits[entry.index];
        bool isInBounds = entry.value >= limit.min && entry.value <= limit.max;
        return isInBounds && entry.quality & 0xF0 == 0;
    }

    function _row(Limits memory limits) private pure returns (LimitsRow) {
        // As `FeedHub.listFeed` holds them to.
        vm.assume(limits.min >= 1);
        vm.assume(limits.max >= limits.min);
        return HubTable.limitsRow(
            limits.min, limits.max, limits.jumpBps, limits.jumpLapse_s, limits.keepsHistory
        );
    }
}
