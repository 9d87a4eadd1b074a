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
    /// @dev The lowest of the 16 bits of every vendor.
    uint256 private constant EVERY_VENDOR =
        0x0001000100010001000100010001000100010001000100010001000100010001;
    uint256 private constant KNOWN_VENDORS = EVERY_VENDOR ^ 1;

    /// @notice Check that m seats signed a report, with at least d known vendors among them.
    /// @dev Numbered steps:
    ///      1. The mask names each seat at most once, and no position beyond the set.
    ///      2. It names exactly m positions, each with a signer in it …
    ///      3. … whose registration has not expired …
    ///      4. … and whose low-s signature over the digest stands at that place.
    ///      5. The signers' hardware is of at least d different known vendors.
    ///      Does NOT establish that the table is in force, nor anything about the report's content.
    /// @param report A decoded report: it holds exactly m signatures.
    /// @param entries What `ReportCodec.decode` gave of it.
    /// @param digest EIP-712 digest of the report.
    /// @param rows The hub's table.
    /// @param word The hub's word.
    /// @return The largest tier among the signers, 1 to 4.
    function verify(
        bytes calldata report,
        bytes memory entries,
        bytes32 digest,
        bytes memory rows,
        HubWord word
    ) internal view returns (uint256) {
        uint256 mask = report.mask(entries);
        // 1. Each seat once, none beyond the set.
        require(mask & (mask >> 1) & FIRST_OF_SEAT == 0, IFeedHub.FeedHub_SeatTwice(mask));
        if (mask >> word.positions() != 0) revert IFeedHub.FeedHub_NoSigner(_highest(mask));
        // 2. to 4., all at once; who fails is found out afterwards.
        uint256 signatures = report.signaturesFrom(entries);
        (bool isSigned, uint256 taken, uint256 kinds) = _run(mask, signatures, digest, rows);
        if (!isSigned || taken != word.m()) _refuse(mask, signatures, digest, rows, word.m());
        // 5. Vendors.
        uint256 vendors = _vendors(kinds);
        require(vendors >= word.d(), IFeedHub.FeedHub_TooFewVendors(vendors, word.d()));
        return _weakest(kinds);
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
            // 26 bytes a row: signer 20 | expiresAt 5 | vendor and tier 1. From here the row of position 255
            // on, which is not there, `clz` counts backwards.
            rows := add(rows, 6662) // 32 + 26 * 255
            taken := signature
            let bad := 0
            for {} mask {} {
                let bit := and(mask, sub(0, mask))
                mask := xor(mask, bit)
                let row := mload(sub(rows, mul(26, clz(bit))))
                kinds := or(kinds, shl(byte(25, row), 1))
                let s := calldataload(add(signature, 0x20))
                mstore(add(input, 0x20), add(27, shr(255, s)))
                mstore(add(input, 0x40), calldataload(signature))
                s := and(s, shr(1, not(0)))
                mstore(add(input, 0x60), s)
                signature := add(signature, 0x40)
                // The precompile returns nothing for an impossible signature; the word stays zero then.
                mstore(0, 0)
                pop(staticcall(gas(), 1, input, 0x80, 0, 0x20))
                bad := or(bad, or(xor(mload(0), shr(96, row)), gt(s, maxS)))
                // expiresAt stands on top here: it is less if it is now or was before, as that of no row is.
                bad := or(bad, lt(shl(160, row), shl(216, add(timestamp(), 1))))
            }
            isSigned := iszero(bad)
            taken := shr(6, sub(signature, taken))
        }
    }

    /// @dev How many vendors have a bit in `kinds`; number 0 is an unknown one and does not count.
    function _vendors(uint256 kinds) private pure returns (uint256) {
        unchecked {
            // The lowest bit of 16 becomes: any of them. Then all these bits are added up.
            kinds |= kinds >> 8;
            kinds |= kinds >> 4;
            kinds |= kinds >> 2;
            kinds |= kinds >> 1;
            return ((kinds & KNOWN_VENDORS) * EVERY_VENDOR) >> 240;
        }
    }

    /// @dev The largest tier that has a bit in `kinds`, whatever the vendor.
    function _weakest(uint256 kinds) private pure returns (uint256) {
        kinds |= kinds >> 128;
        kinds |= kinds >> 64;
        kinds |= kinds >> 32;
        kinds |= kinds >> 16;
        return _highest(kinds & 0xFFFF);
    }

    /// @dev Says which of the steps 2 to 4 failed; the same questions, one by one. Always reverts: whoever
    ///      is asked last has failed if nobody before has.
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
                SignerRow row = HubTable.signerAt(rows, position);
                _requireSigned(row, position, signature, digest, left & (left - 1) == 0);
                signature += ReportCodec.SIGNATURE_BYTES;
            }
        }
    }

    function _requireSigned(
        SignerRow row,
        uint256 position,
        uint256 signature,
        bytes32 digest,
        bool isLast
    ) private view {
        address wanted = row.signer();
        require(wanted != address(0), IFeedHub.FeedHub_NoSigner(position));
        // 3. Unexpired.
        uint256 expiresAt = row.expiresAt();
        require(block.timestamp < expiresAt, IFeedHub.FeedHub_SignerExpired(position, expiresAt));
        // 4. Its signature.
        (bytes32 r, uint256 vs) = ReportCodec.signatureAt(signature);
        require(Ecdsa.sOf(vs) <= Ecdsa.MAX_S, IFeedHub.FeedHub_HighS(position));
        address seen = Ecdsa.recover(digest, r, vs);
        require(seen == wanted && !isLast, IFeedHub.FeedHub_BadSignature(position, seen, wanted));
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
