// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "../interfaces/IFeedHub.sol";
import {HubWord} from "../types/HubWord.sol";
import {Ecdsa} from "./Ecdsa.sol";
import {HubTable, SignerRow} from "./HubTable.sol";
import {ReportCodec} from "./ReportCodec.sol";

/// @title Who signed a report
library Quorum {
    using ReportCodec for bytes;

    /// @dev Bit 0 of every pair: the first position of each seat.
    uint256 private constant FIRST_OF_SEAT = 0x5555555555555555;

    /// @notice Check that m seats signed a report, with at least d known vendors among them.
    /// @dev Numbered steps:
    ///      1. The mask names each seat at most once, and no position beyond the set.
    ///      2. It names exactly m positions, each with a signer in it …
    ///      3. … whose registration has not expired …
    ///      4. … and whose low-s signature over the digest stands at that place.
    ///      5. The signers' hardware is of at least d different known vendors.
    ///      Does NOT establish that the table is in force, nor anything about the report's content.
    /// @param digest EIP-712 digest of the report.
    /// @param rows The hub's table.
    /// @param word The hub's word.
    /// @return weakestTier The largest tier among the signers, 1 to 4.
    function verify(
        bytes calldata report,
        ReportCodec.Header memory head,
        bytes32 digest,
        bytes memory rows,
        HubWord word
    ) internal view returns (uint256 weakestTier) {
        uint256 left = head.mask;
        // 1. Each seat once, none beyond the set.
        require(left & (left >> 1) & FIRST_OF_SEAT == 0, IFeedHub.FeedHub_SeatTwice(left));
        if (left >> word.positions() != 0) revert IFeedHub.FeedHub_NoSigner(_highest(left));
        // 2. Exactly m.
        uint256 m = word.m();
        uint256 vendors;
        for (uint256 place = 0; place < m; ++place) {
            require(left != 0, IFeedHub.FeedHub_SignerCount(place, m));
            unchecked {
                uint256 bit = left & (~left + 1);
                left ^= bit;
                uint256 position = _highest(bit);
                SignerRow row = HubTable.signerAt(rows, position);
                _verifyOne(report, head.count, place, position, digest, row);
                vendors |= 1 << row.vendor();
                uint256 tier = row.tier();
                if (tier > weakestTier) weakestTier = tier;
            }
        }
        if (left != 0) revert IFeedHub.FeedHub_SignerCount(_ones(head.mask), m);
        // 5. Vendors; number 0 is an unknown one and does not count.
        uint256 known = _ones(vendors >> 1);
        require(known >= word.d(), IFeedHub.FeedHub_TooFewVendors(known, word.d()));
    }

    function _verifyOne(
        bytes calldata report,
        uint256 count,
        uint256 place,
        uint256 position,
        bytes32 digest,
        SignerRow row
    ) private view {
        address wanted = row.signer();
        require(wanted != address(0), IFeedHub.FeedHub_NoSigner(position));
        // 3. Unexpired.
        uint256 expiresAt = row.expiresAt();
        require(block.timestamp < expiresAt, IFeedHub.FeedHub_SignerExpired(position, expiresAt));
        // 4. Its signature.
        (bytes32 r, uint256 vs) = report.signatureAt(count, place);
        require(Ecdsa.sOf(vs) <= Ecdsa.MAX_S, IFeedHub.FeedHub_HighS(position));
        address seen = Ecdsa.recover(digest, r, vs);
        require(seen == wanted, IFeedHub.FeedHub_BadSignature(position, seen, wanted));
    }

    /// @dev Number of the highest bit that is set; `bits` is not zero.
    function _highest(uint256 bits) private pure returns (uint256 position) {
        assembly ("memory-safe") {
            position := sub(255, clz(bits))
        }
    }

    function _ones(uint256 bits) private pure returns (uint256 count) {
        unchecked {
            for (; bits != 0; bits &= bits - 1) {
                ++count;
            }
        }
    }
}
