// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "../interfaces/IFeedHub.sol";
import {HubWord} from "../types/HubWord.sol";
import {Ecdsa} from "./Ecdsa.sol";
import {HubTable, SignerRow} from "./HubTable.sol";
import {Header, ReportCodec} from "./ReportCodec.sol";

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
    /// @param report A decoded report: it holds exactly m signatures.
    /// @param digest EIP-712 digest of the report.
    /// @param rows The hub's table.
    /// @param word The hub's word.
    /// @return The largest tier among the signers, 1 to 4.
    function verify(
        bytes calldata report,
        Header head,
        bytes32 digest,
        bytes memory rows,
        HubWord word
    ) internal view returns (uint256) {
        uint256 mask = head.mask();
        // 1. Each seat once, none beyond the set.
        require(mask & (mask >> 1) & FIRST_OF_SEAT == 0, IFeedHub.FeedHub_SeatTwice(mask));
        if (mask >> word.positions() != 0) revert IFeedHub.FeedHub_NoSigner(_highest(mask));
        // 2. to 4., all at once; who fails is found out afterwards.
        uint256 signatures = report.signaturesFrom(head);
        (bool isSigned, uint256 taken, uint256 kinds) = _run(mask, signatures, digest, rows);
        if (!isSigned || taken != word.m()) _refuse(mask, signatures, digest, rows, word.m());
        // 5. Vendors; number 0 is an unknown one and does not count.
        uint256 vendors;
        uint256 tiers = kinds & 0xFFFF;
        for (kinds >>= 16; kinds != 0; kinds >>= 16) {
            if (kinds & 0xFFFF == 0) continue;
            tiers |= kinds & 0xFFFF;
            unchecked {
                ++vendors;
            }
        }
        require(vendors >= word.d(), IFeedHub.FeedHub_TooFewVendors(vendors, word.d()));
        return _highest(tiers);
    }

    /// @dev Steps 3 and 4 for every position of the mask, without a jump for each question.
    /// @param signature Calldata address of the first signature.
    /// @return isSigned Whether all passed.
    /// @return taken Positions in the mask.
    /// @return kinds Bit 16 * vendor + tier is set for the signers seen.
    function _run(uint256 mask, uint256 signature, bytes32 digest, bytes memory rows)
        private
        view
        returns (bool isSigned, uint256 taken, uint256 kinds)
    {
        uint256 maxS = Ecdsa.MAX_S;
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore(input, digest)
            rows := add(rows, 0x20)
            let first := signature
            let bad := 0
            for {} mask {} {
                let bit := and(mask, sub(0, mask))
                mask := xor(mask, bit)
                // 26 bytes a row: signer 20 | expiresAt 5 | vendor and tier 1.
                let row := mload(add(rows, mul(26, sub(255, clz(bit)))))
                let s := calldataload(add(signature, 0x20))
                mstore(add(input, 0x20), add(27, shr(255, s)))
                mstore(add(input, 0x40), calldataload(signature))
                s := shr(1, shl(1, s))
                mstore(add(input, 0x60), s)
                signature := add(signature, 0x40)
                kinds := or(kinds, shl(and(shr(48, row), 0xff), 1))
                // The precompile returns nothing for an impossible signature; the word stays zero then.
                mstore(0, 0)
                pop(staticcall(gas(), 1, input, 0x80, 0, 0x20))
                // A row of zeros has expired.
                bad := or(
                    or(bad, xor(mload(0), shr(96, row))),
                    or(gt(s, maxS), iszero(lt(timestamp(), shr(216, shl(160, row)))))
                )
            }
            isSigned := iszero(bad)
            taken := shr(6, sub(signature, first))
        }
    }

    /// @dev Says which of the steps 2 to 4 failed; the same questions, one by one.
    function _refuse(uint256 mask, uint256 signature, bytes32 digest, bytes memory rows, uint256 m)
        private
        view
    {
        // 2. Exactly m, each with a signer.
        uint256 ones = _ones(mask);
        require(ones == m, IFeedHub.FeedHub_SignerCount(ones, m));
        for (uint256 left = mask; left != 0; left &= left - 1) {
            unchecked {
                uint256 position = _highest(left & (~left + 1));
                _verifyOne(HubTable.signerAt(rows, position), position, signature, digest);
                signature += ReportCodec.SIGNATURE_BYTES;
            }
        }
    }

    function _verifyOne(SignerRow row, uint256 position, uint256 signature, bytes32 digest)
        private
        view
    {
        address wanted = row.signer();
        require(wanted != address(0), IFeedHub.FeedHub_NoSigner(position));
        // 3. Unexpired.
        uint256 expiresAt = row.expiresAt();
        require(block.timestamp < expiresAt, IFeedHub.FeedHub_SignerExpired(position, expiresAt));
        // 4. Its signature.
        (bytes32 r, uint256 vs) = ReportCodec.signatureAt(signature);
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
