// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FeedAliases} from "./hub/FeedAliases.sol";
import {HubState} from "./hub/HubState.sol";
import {HubConfig, IFeedHub} from "./interfaces/IFeedHub.sol";
import {ISignerSet, SeatEntry} from "./interfaces/ISignerSet.sol";
import {HubTable, LimitsRow, SignerRow} from "./libraries/HubTable.sol";
import {Narrow} from "./libraries/Narrow.sol";
import {Quorum} from "./libraries/Quorum.sol";
import {ReportCodec} from "./libraries/ReportCodec.sol";
import {ReportLog} from "./libraries/ReportLog.sol";
import {RoundStore} from "./libraries/RoundStore.sol";
import {Sstore2} from "./libraries/Sstore2.sol";
import {HubWord} from "./types/HubWord.sol";
import {Lanes} from "./types/Lane.sol";

/// @title Feeds: reports of attested enclaves in, answers out; see `IFeedHub`
/// @dev Compiled without the pipeline by way of Yul, which would try the functions' selectors one after
///      the other: with so many of them that costs reads and reports more than it saves.
contract FeedHub is FeedAliases {
    using HubTable for bytes;
    using ReportCodec for bytes;
    using RoundStore for uint256[512];

    uint256 private immutable _chainId;
    bytes32 private immutable _domainSeparator;

    constructor(
        address governance_,
        address guardian_,
        uint256 minDelay_s,
        ISignerSet signerSet_,
        HubConfig memory config_
    ) HubState(governance_, guardian_, minDelay_s, signerSet_, config_) {
        _chainId = block.chainid;
        _domainSeparator = ReportCodec.domainSeparator(address(this));
    }

    /// @inheritdoc IFeedHub
    fallback(bytes calldata call) external returns (bytes memory) {
        require(call.length == 0, FeedHub_NoFunction(msg.sig));
        return abi.encode(_word());
    }

    /// @inheritdoc IFeedHub
    function submit(bytes calldata report) external {
        // 1. Structure.
        HubWord word = _word();
        bytes memory entries = report.decode(word.m());
        // 2. A table is in force, for the report's list of feeds.
        uint256 end = entries.end();
        (bytes memory rows, uint256 limits) = _table(word, end);
        bytes32 digest = HubTable.listRootBefore(limits);
        if (report.listRoot() != digest) revert FeedHub_ListRoot(report.listRoot(), digest);
        // 3. Origin: m seats, d vendors.
        uint256 observedAt = report.observedAt();
        digest = ReportCodec.digest(
            observedAt, digest, entries, block.chainid == _chainId ? _domainSeparator : _domain()
        );
        uint256 stamp = Quorum.verify(report, entries, digest, rows, word);
        // 4. Time: neither from the future nor older than the window.
        if (!word.isInWindow(observedAt)) _refuseTime(word, observedAt);
        // 5. Order, bounds and jump, feed by feed; effect.
        stamp = Lanes.stamp(observedAt, stamp);
        uint256 at_ = _slots.store(entries.start(), end, 0, limits, stamp);
        if (at_ != end) _storeRest(entries, at_, limits, stamp);
        ReportLog.accepted(observedAt, report.mask(entries), entries);
    }

    /// @inheritdoc IFeedHub
    function rebuild() external returns (address table_) {
        // A revocation must be able to stop this hub.
        require(signerSet().isHub(address(this)), FeedHub_NotAdded(address(signerSet())));
        SignerRow[] memory signers = _signerRows();
        LimitsRow[] memory limits = _limitsRows();
        bytes memory rows = HubTable.encode(signers, limits, listRoot());
        HubWord word = _word();
        table_ = word.table();
        bool isSame = table_ != address(0) && table_.codehash == Sstore2.codeHash(rows);
        bool hasPauses = _hasFeedPauses();
        require(
            !isSame || !word.isLive() || word.hasFeedPauses() != hasPauses,
            FeedHub_NothingToRebuild()
        );
        if (!isSame) table_ = Sstore2.write(rows);
        uint256 seats = signers.length / 2;
        _setWord(word.withTable(table_, seats, limits.length).withFeedPauses(hasPauses));
        emit TableRebuilt(table_, listRoot(), Narrow.u8(seats), Narrow.u16(limits.length));
    }

    /// @inheritdoc IFeedHub
    function domainSeparator() external view returns (bytes32) {
        return _domain();
    }

    /// @dev The table in force, up to the feed of a report's last entry: as the order ascends, no entry
    ///      needs more.
    /// @param end Memory address after the last entry.
    /// @return rows The table.
    /// @return limits Memory address in it of the limits of feed 0.
    function _table(HubWord word, uint256 end)
        private
        view
        returns (bytes memory rows, uint256 limits)
    {
        if (!word.isOpen()) _refuseClosed(word);
        unchecked {
            uint256 last = ReportCodec.entryAt(end - ReportCodec.ENTRY_BYTES).index();
            if (last >= word.feeds()) revert FeedHub_UnlistedFeed(last, word.feeds());
            uint256 positions = word.positions();
            rows = Sstore2.read(word.table(), HubTable.size(positions, last + 1));
            limits = rows.limitsFrom(positions);
        }
    }

    function _domain() private view returns (bytes32) {
        // After a fork of the chain the other branch has another domain.
        return
            block.chainid == _chainId
                ? _domainSeparator
                : ReportCodec.domainSeparator(address(this));
    }

    function _signerRows() private view returns (SignerRow[] memory rows) {
        SeatEntry[] memory entries = signerSet().entries();
        require(
            entries.length <= 2 * MAX_SEATS && entries.length % 2 == 0,
            FeedHub_BadSignerSet(entries.length, 2 * MAX_SEATS)
        );
        rows = new SignerRow[](entries.length);
        uint256 minTier = _minTier();
        for (uint256 i = 0; i < rows.length; ++i) {
            rows[i] = HubTable.signerRow(entries[i], minTier);
        }
    }

    /// @dev Says why a hub is not open.
    function _refuseClosed(HubWord word) private pure {
        require(word.isLive(), FeedHub_NotLive());
        revert FeedHub_Paused(word.pausedUntil());
    }

    /// @dev Says on which side of the window a moment lies.
    function _refuseTime(HubWord word, uint256 observedAt) private view {
        uint256 earliest = block.timestamp - word.maxAge_s();
        require(observedAt >= earliest, FeedHub_ReportTooOld(observedAt, earliest));
        revert FeedHub_ReportFromTheFuture(observedAt, block.timestamp + word.skew_s());
    }
}
