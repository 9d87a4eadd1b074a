// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SeatEntry} from "contracts/interfaces/ISignerSet.sol";
import {HubTable, LimitsRow, SignerRow} from "contracts/libraries/HubTable.sol";

import {Test} from "../Vm.sol";

contract HubTableTest is Test {
    using HubTable for bytes;

    function testFuzz_encode_IsReadBack(uint256 seed, uint8 signers, uint8 feeds) external pure {
        SignerRow[] memory rows = new SignerRow[](signers % 65);
        LimitsRow[] memory limits = new LimitsRow[](feeds);
        for (uint256 i = 0; i < rows.length; ++i) {
            rows[i] = HubTable.signerRow(_entry(seed, i), 4);
        }
        for (uint256 i = 0; i < limits.length; ++i) {
            limits[i] = _limits(seed, i);
        }
        bytes memory table = HubTable.encode(rows, limits, bytes32(seed));
        assertEq(table.length, HubTable.size(rows.length, limits.length), "size");
        assertEq(table.listRootOf(rows.length), bytes32(seed), "listRoot");
        bytes32 before = HubTable.listRootBefore(table.limitsFrom(rows.length));
        assertEq(before, bytes32(seed), "listRoot before the limits");
        for (uint256 i = 0; i < rows.length; ++i) {
            SeatEntry memory wanted = _entry(seed, i);
            SignerRow row = table.signerAt(i);
            assertEq(row.signer(), wanted.signer, "signer");
            assertEq(row.expiresAt(), wanted.expiresAt, "expiresAt");
            assertEq(row.vendor(), wanted.vendor, "vendor");
            assertEq(row.tier(), wanted.tier, "tier");
        }
        for (uint256 i = 0; i < limits.length; ++i) {
            LimitsRow row = HubTable.limitsAt(table.limitsFrom(rows.length), i);
            assertEq(LimitsRow.unwrap(row), LimitsRow.unwrap(limits[i]), "limits");
        }
    }

    function test_size_FitsTheCodeOfAContract() external pure {
        assertLe(1 + HubTable.size(64, 1024), 24_576, "bytes");
    }

    function test_signerRow_IsEmptyForNobodyForNoTierAndForAWeakerTier() external pure {
        SeatEntry memory entry = SeatEntry(address(1), 2, 3, 2);
        assertTrue(SignerRow.unwrap(HubTable.signerRow(entry, 2)) != 0, "tier 2 of 2");
        assertEq(SignerRow.unwrap(HubTable.signerRow(entry, 1)), 0, "tier 2 of 1");
        entry.tier = 0;
        assertEq(SignerRow.unwrap(HubTable.signerRow(entry, 4)), 0, "no tier");
        entry.tier = 2;
        entry.signer = address(0);
        assertEq(SignerRow.unwrap(HubTable.signerRow(entry, 2)), 0, "nobody");
    }

    function test_signerRow_KeepsAnExpiryBeyondItsFieldAtTheFieldsEnd() external pure {
        SeatEntry memory entry = SeatEntry(address(1), type(uint64).max, 3, 2);
        assertEq(HubTable.signerRow(entry, 2).expiresAt(), type(uint40).max, "expiresAt");
    }

    function testFuzz_limitsRow_KeepsEveryField(
        int64 min,
        int64 max,
        uint16 bps,
        uint32 lapse_s,
        bool keepsHistory
    ) external pure {
        min = min < 0 ? ~min : min;
        max = max < 0 ? ~max : max;
        lapse_s >>= 1;
        LimitsRow row = HubTable.limitsRow(min, max, bps, lapse_s, keepsHistory);
        assertEq(int256(row.minAnswer()), min, "min");
        assertEq(int256(row.maxAnswer()), max, "max");
        assertEq(row.jumpBps(), bps, "jumpBps");
        assertEq(row.jumpLapse_s(), lapse_s, "jumpLapse_s");
        assertTrue(row.keepsHistory() == keepsHistory, "history");
    }

    function _entry(uint256 seed, uint256 i) private pure returns (SeatEntry memory) {
        uint256 draw = uint256(keccak256(abi.encode(seed, i)));
        return SeatEntry(
            address(uint160(draw) | 1),
            uint40(draw >> 160),
            uint8(draw >> 200) & 0xF,
            1 + (uint8(draw >> 208) & 3)
        );
    }

    function _limits(uint256 seed, uint256 i) private pure returns (LimitsRow) {
        return LimitsRow.wrap(uint256(keccak256(abi.encode(seed, i, "limits"))) >> 80);
    }
}
