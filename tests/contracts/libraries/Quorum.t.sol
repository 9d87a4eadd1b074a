// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {SeatEntry} from "contracts/interfaces/ISignerSet.sol";
import {HubTable, LimitsRow, SignerRow} from "contracts/libraries/HubTable.sol";
import {Quorum} from "contracts/libraries/Quorum.sol";
import {ReportCodec} from "contracts/libraries/ReportCodec.sol";
import {HubWord} from "contracts/types/HubWord.sol";

import {Test} from "../Vm.sol";

/// @notice The library behind a call, for its calldata.
contract QuorumHarness {
    using ReportCodec for bytes;

    function verify(bytes calldata report, bytes32 digest, bytes calldata rows, HubWord word)
        external
        view
        returns (uint256)
    {
        return Quorum.verify(report, report.decode(word.m()), digest, rows, word);
    }
}

/// @notice Vendors and tiers of who signed, against a plain model. The refusals of signatures have their
///         tests at `FeedHub`.
contract QuorumTest is Test {
    uint256 private constant SEATS = 6;
    bytes32 private constant DIGEST = keccak256("what they sign");

    QuorumHarness private quorum;

    function setUp() external {
        quorum = new QuorumHarness();
        vm.warp(1_790_000_000);
    }

    function testFuzz_verify_CountsKnownVendorsAndFindsTheWeakestTier(uint256 seed) external {
        SignerRow[] memory rows = new SignerRow[](2 * SEATS);
        uint256 m = bound(seed, 1, SEATS);
        bool[16] memory isSeen;
        uint256 vendors;
        uint256 weakest;
        for (uint256 seat = 0; seat < SEATS; ++seat) {
            uint256 draw = uint256(keccak256(abi.encode(seed, seat)));
            (uint8 vendor, uint8 tier) = (uint8(draw % 16), uint8(1 + (draw >> 8) % 4));
            rows[2 * seat] = _row(seat, vendor, tier);
            if (seat >= m) continue;
            if (vendor != 0 && !isSeen[vendor]) ++vendors;
            isSeen[vendor] = true;
            if (tier > weakest) weakest = tier;
        }
        bytes memory table = HubTable.encode(rows, new LimitsRow[](1), bytes32(0));
        bytes memory report = _signed(m);
        if (vendors != 0) {
            uint256 seen = quorum.verify(report, DIGEST, table, _word(m, vendors));
            assertEq(seen, weakest, "weakest tier");
        }
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_TooFewVendors.selector, vendors, vendors + 1)
        );
        quorum.verify(report, DIGEST, table, _word(m, vendors + 1));
    }

    function test_verify_CountsAllFifteenVendors() external view {
        SignerRow[] memory rows = new SignerRow[](32);
        for (uint256 seat = 0; seat < 16; ++seat) {
            rows[2 * seat] = _row(seat, uint8(seat), 2);
        }
        bytes memory table = HubTable.encode(rows, new LimitsRow[](1), bytes32(0));
        HubWord word = HubWord.wrap(0).withConfig(16, 15, 60, 5).withTable(address(1), 16, 1);
        assertEq(quorum.verify(_signed(16), DIGEST, table, word), 2, "tier");
    }

    function _row(uint256 seat, uint8 vendor, uint8 tier) private view returns (SignerRow) {
        SeatEntry memory entry = SeatEntry({
            signer: vm.addr(seat + 1),
            expiresAt: uint64(block.timestamp + 1),
            vendor: vendor,
            tier: tier
        });
        return HubTable.signerRow(entry, 4);
    }

    function _word(uint256 m, uint256 d) private pure returns (HubWord) {
        return HubWord.wrap(0).withConfig(m, d, 60, 5).withTable(address(1), SEATS, 1);
    }

    /// @dev A report of one empty entry that the first positions of the first m seats signed.
    function _signed(uint256 m) private pure returns (bytes memory) {
        bytes memory signatures;
        uint64 mask;
        for (uint256 seat = 0; seat < m; ++seat) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(seat + 1, DIGEST);
            signatures = bytes.concat(signatures, r, bytes32(uint256(s) | uint256(v - 27) << 255));
            mask |= uint64(1) << uint64(2 * seat);
        }
        return abi.encodePacked(
            uint8(1), uint32(0), bytes32(0), uint16(1), new bytes(14), mask, signatures
        );
    }
}
