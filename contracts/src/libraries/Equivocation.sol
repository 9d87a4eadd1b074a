// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationRegistry, Statement} from "../interfaces/IAttestationRegistry.sol";
import {Ecdsa} from "./Ecdsa.sol";
import {Narrow} from "./Narrow.sol";
import {Entry, ReportCodec} from "./ReportCodec.sol";

/// @notice What a signed report says of one feed.
/// @param signer Whose key signed; zero if no key can have.
struct Claim {
    address signer;
    uint32 observedAt;
    bytes32 listRoot;
    bytes14 entry;
}

/// @title Proof that a signer contradicted itself; see `IAttestationRegistry.proveEquivocation`
library Equivocation {
    using ReportCodec for bytes;

    /// @dev version 1 | observedAt 4 | listRoot 32 | count 2, and mask 8 after the entries.
    uint256 private constant HEADER_BYTES = 39;
    uint256 private constant COUNT_OFFSET = 37;
    uint256 private constant MASK_BYTES = 8;
    uint256 private constant MIN_BYTES =
        HEADER_BYTES + ReportCodec.ENTRY_BYTES + MASK_BYTES + ReportCodec.SIGNATURE_BYTES;

    /// @notice Read one statement: its report, decoded, and the key that made the named signature.
    /// @dev Does NOT establish that the signer is anyone's, nor that the entries are in order.
    /// @param hub For which the digest is computed, on this chain.
    function claim(address hub, uint16 index, Statement calldata statement)
        internal
        view
        returns (Claim memory claim_)
    {
        bytes calldata report = statement.report;
        uint256 signatures = _signatureCount(report);
        bytes memory entries = report.decode(signatures);
        require(
            statement.place < signatures,
            IAttestationRegistry.AttestationRegistry_NoSuchSignature(statement.place, signatures)
        );
        claim_.observedAt = Narrow.u32(report.observedAt());
        claim_.listRoot = report.listRoot();
        claim_.entry = _entryOf(entries, index);
        bytes32 domain = ReportCodec.domainSeparator(hub);
        bytes32 digest = ReportCodec.digest(report.observedAt(), claim_.listRoot, entries, domain);
        uint256 at_ = report.signaturesFrom(entries) + ReportCodec.SIGNATURE_BYTES * statement.place;
        (bytes32 r, uint256 vs) = ReportCodec.signatureAt(at_);
        uint256 s = Ecdsa.sOf(vs);
        require(s <= Ecdsa.MAX_S, IAttestationRegistry.AttestationRegistry_HighS(s, Ecdsa.MAX_S));
        claim_.signer = Ecdsa.recover(digest, r, vs);
    }

    /// @notice Check that two claims of one feed cannot both be honest: one signer, list and moment, and
    ///         two entries.
    function requireConflict(Claim memory first, Claim memory second) internal pure {
        require(
            second.observedAt == first.observedAt,
            IAttestationRegistry.AttestationRegistry_OtherMoment(
                second.observedAt, first.observedAt
            )
        );
        require(
            second.listRoot == first.listRoot,
            IAttestationRegistry.AttestationRegistry_OtherList(second.listRoot, first.listRoot)
        );
        require(
            second.entry != first.entry,
            IAttestationRegistry.AttestationRegistry_SameEntry(first.entry)
        );
        require(
            second.signer == first.signer,
            IAttestationRegistry.AttestationRegistry_OtherSigner(second.signer, first.signer)
        );
    }

    /// @dev As many signatures as the mask names, which is how many a broadcast report has; the codec
    ///     holds the length to that.
    function _signatureCount(bytes calldata report) private pure returns (uint256 count) {
        require(
            report.length >= MIN_BYTES,
            IAttestationRegistry.AttestationRegistry_ReportTooShort(report.length, MIN_BYTES)
        );
        uint256 entries = uint16(bytes2(report[COUNT_OFFSET:HEADER_BYTES]));
        uint256 maskOffset = HEADER_BYTES + ReportCodec.ENTRY_BYTES * entries;
        if (report.length < maskOffset + MASK_BYTES) return 0;
        uint256 mask = uint64(bytes8(report[maskOffset:maskOffset + MASK_BYTES]));
        for (; mask != 0; mask &= mask - 1) {
            ++count;
        }
    }

    /// @dev The first entry of a feed, as it stands in the report.
    function _entryOf(bytes memory entries, uint16 index) private pure returns (bytes14) {
        uint256 end = entries.end();
        for (uint256 at_ = entries.start(); at_ != end; at_ = ReportCodec.following(at_)) {
            Entry entry = ReportCodec.entryAt(at_);
            // forge-lint: disable-next-line(unsafe-typecast) an entry has 112 bits
            if (entry.index() == index) return bytes14(uint112(Entry.unwrap(entry)));
        }
        revert IAttestationRegistry.AttestationRegistry_NoEntry(index);
    }
}
