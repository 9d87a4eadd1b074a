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

    function testFuzz_isOpen_SaysWhetherLiveAndNotPaused(uint256 raw, uint32 now_) external {
        vm.warp(now_);
        HubWord word = HubWord.wrap(raw);
        bool isOpen = word.isLive() && now_ >= word.pausedUntil();
        assertTrue(word.isOpen() == isOpen, "any word");
        assertTrue(_withTable(raw, address(1)).withPausedUntil(now_).isOpen(), "in the last second");
    }

    function testFuzz_isInWindow_SaysWhetherNeitherTooOldNorFromTheFuture(
        uint256 raw,
        uint32 now_,
        uint32 moment
    ) external {
        vm.warp(now_);
        HubWord word = HubWord.wrap(raw);
        _assertInWindow(word, now_, moment);
        // Around both ends.
        for (uint256 i = 0; i < 2; ++i) {
            _assertInWindow(word, now_, now_ + word.skew_s() + i);
            uint256 behind_s = word.maxAge_s() + i;
            if (now_ >= behind_s) _assertInWindow(word, now_, now_ - behind_s);
        }
    }

    function _assertInWindow(HubWord word, uint256 now_, uint256 moment) private view {
        bool isIn = moment + word.maxAge_s() >= now_ && moment <= now_ + word.skew_s();
        assertTrue(word.isInWindow(moment) == isIn, "window");
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
