// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HubWord} from "contracts/types/HubWord.sol";

import {Test} from "../Vm.sol";

contract HubWordTest is Test {
    function testFuzz_fields_DoNotTouchEachOther(
        uint256 raw,
        address table,
        uint32 until,
        uint16 maxAge_s,
        uint8 skew_s,
        uint8 m,
        uint8 d
    ) external pure {
        HubWord word = _withTable(raw, table).withPausedUntil(until);
        word = word.withConfig(m, d, maxAge_s, skew_s);
        _assertConfig(word, m, d, maxAge_s, skew_s);
        _assertTable(word, table, raw);
        assertEq(word.pausedUntil(), until, "pausedUntil");
        assertTrue(word.isLive(), "live");

        word = word.withoutLive();
        assertTrue(!word.isLive(), "cleared");
        _assertConfig(word, m, d, maxAge_s, skew_s);
        _assertTable(word, table, raw);
        assertEq(word.pausedUntil(), until, "pausedUntil");
    }

    /// @dev Numbers of seats and feeds are drawn from the bits of `raw`.
    function _withTable(uint256 raw, address table) private pure returns (HubWord) {
        return HubWord.wrap(raw).withTable(table, raw % 33, (raw >> 8) % 1025);
    }

    function _assertConfig(HubWord word, uint8 m, uint8 d, uint16 maxAge_s, uint8 skew_s)
        private
        pure
    {
        assertEq(word.m(), m, "m");
        assertEq(word.d(), d, "d");
        assertEq(word.maxAge_s(), maxAge_s, "maxAge_s");
        assertEq(word.skew_s(), skew_s, "skew_s");
    }

    function _assertTable(HubWord word, address table, uint256 raw) private pure {
        assertEq(word.table(), table, "table");
        assertEq(word.positions(), 2 * (raw % 33), "positions");
        assertEq(word.feeds(), (raw >> 8) % 1025, "feeds");
    }
}
