// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HubWord} from "../types/HubWord.sol";
import {IGoverned} from "./IGoverned.sol";
import {ISignerSet} from "./ISignerSet.sol";

/// @notice When a report is good enough.
struct HubConfig {
    /// @dev Signatures in a report, each of another seat; 1 to 32.
    uint8 m;
    /// @dev Least number of different, known hardware vendors among them; 1 to m.
    uint8 d;
    /// @dev The weakest tier whose signers count, 1 (`DIRECT`) to 4; see `Tier`. Larger is weaker.
    uint8 minTier;
    /// @dev How far `observedAt` may lie behind the block, in seconds; 1 to 3,600.
    uint32 maxAge_s;
    /// @dev How far `observedAt` may lie ahead of the block, in seconds; 0 to 60.
    uint32 skew_s;
}

/// @notice A feed to be listed.
struct FeedListing {
    /// @dev Decimals of its answers, 0 to 18; part of the feed id, never changes.
    uint8 decimals;
    /// @dev Canonical form of its definition, 1 to 16,384 bytes; part of the feed id.
    bytes definition;
    /// @dev Smallest answer accepted, at least 1: zero is no price.
    int64 minAnswer;
    /// @dev Largest answer accepted.
    int64 maxAnswer;
    /// @dev Largest step from the stored answer, in basis points of it; at least 1. From one that is outside
    ///      the bounds as they are now, any step is accepted.
    uint16 jumpBps;
    /// @dev Age of the stored round, in seconds, beyond which any step is accepted; 1 to 86,400.
    uint32 jumpLapse_s;
    /// @dev Rounds kept for `roundAt`, the latest among them: 0 for none but the latest, or 2 to 256. Each
    ///      costs a storage slot at listing; two feeds side by side share them.
    uint16 historyRounds;
}

/// @notice A listed feed.
struct FeedInfo {
    bytes32 feedId;
    uint8 decimals;
    int64 minAnswer;
    int64 maxAnswer;
    uint16 jumpBps;
    uint32 jumpLapse_s;
    /// @dev The feed is paused until this second, since the epoch; 0 or past if it is not.
    uint40 pausedUntil;
    /// @dev As listed.
    uint16 historyRounds;
}

/// @notice An accepted answer.
struct Round {
    /// @dev In the feed's decimals.
    int64 answer;
    /// @dev When the sources gave it, in seconds since the epoch. It is the round's id, too.
    uint32 observedAt;
    /// @dev Spread of the sources, in tenths of a basis point; 65,535 stands for that or more.
    uint16 dispersion;
    /// @dev Number of sources used.
    uint8 sources;
    /// @dev High four bits by the hub (0x80 listed, 0x40 for its own use and never set here, 0x30 weakest
    ///      tier that counted, less one), low four by the enclave.
    uint8 flags;
}

/// @title Feeds: reports of attested enclaves in, answers out
/// @notice Anyone may bring a report. It counts if m seats, of at least d hardware vendors, signed it.
/// @dev Format of a report, big-endian and packed: `version u8 (=1) | observedAt u32 | listRoot b32 |
///      count u16 | count x entry | mask u64 | m x signature (64)`, where an entry is `index u16 |
///      value i64 | dispersion u16 | sources u8 | flags u8`. Mask bit p stands for position p of the
///      signer set. A signature is EIP-2098 with low s, over the EIP-712 struct
///      `Report(uint8 version,uint32 observedAt,bytes32 listRoot,bytes entries)` in the domain
///      ("ConfidentialOracle", "1", chain id, hub).
interface IFeedHub is IGoverned {
    /// @notice There is no function of this selector.
    error FeedHub_NoFunction(bytes4 seen);
    /// @notice The zero address cannot be the signer set.
    error FeedHub_ZeroAddress();
    /// @notice The caller is not the signer set.
    error FeedHub_NotSignerSet(address seen, address wanted);
    /// @notice m is not 1 to 32, or d is not 1 to m.
    error FeedHub_BadQuorum(uint256 m, uint256 d);
    /// @notice The tier is not 1 to 4.
    error FeedHub_BadTier(uint256 seen);
    /// @notice A window is out of its range.
    error FeedHub_BadWindow(uint256 maxAge_s, uint256 skew_s);

    /// @notice No more feeds fit.
    error FeedHub_TooManyFeeds(uint256 wanted);
    /// @notice The definition is empty or too long.
    error FeedHub_DefinitionLength(uint256 seen, uint256 wanted);
    /// @notice More decimals than an answer can carry.
    error FeedHub_Decimals(uint256 seen, uint256 wanted);
    /// @notice The bounds are not 1 <= min <= max.
    error FeedHub_BadBounds(int64 minAnswer, int64 maxAnswer);
    /// @notice The jump limit is 0, or its lapse is not 1 to 86,400 s.
    error FeedHub_BadJumpLimit(uint256 jumpBps, uint256 jumpLapse_s);
    /// @notice The rounds to be kept are neither 0 nor 2 to 256.
    error FeedHub_BadHistory(uint256 seen, uint256 wanted);
    /// @notice The feed is listed already; an index is never given twice.
    error FeedHub_AlreadyListed(bytes32 feedId, uint16 index);
    /// @notice The feed id is not listed.
    error FeedHub_UnknownFeed(bytes32 feedId);
    /// @notice The index is not listed.
    error FeedHub_UnlistedFeed(uint256 seen, uint256 wanted);

    /// @notice An alias is not 32 zero bytes.
    error FeedHub_EmptyAlias();
    /// @notice No feed goes by this name.
    error FeedHub_UnknownAlias(bytes32 name);
    /// @notice The alias points at this feed already.
    error FeedHub_AliasUnchanged(bytes32 name, uint16 index);
    /// @notice The feed's answers have other decimals than those of the feed that the alias points at.
    error FeedHub_AliasDecimals(uint256 seen, uint256 wanted);
    /// @notice The feed's stored round is older than that of the feed that the alias points at.
    error FeedHub_AliasOlder(uint256 seen_at, uint256 wanted_at);

    /// @notice The table in force is what a rebuild would make.
    error FeedHub_NothingToRebuild();
    /// @notice The signer set would not stop this hub on a revocation: `addHub` first.
    error FeedHub_NotAdded(address signerSet);
    /// @notice The signer set gave a number of positions that cannot be.
    error FeedHub_BadSignerSet(uint256 seen, uint256 wanted);
    /// @notice The table was cleared by a revocation or a change, or never built: call `rebuild`.
    error FeedHub_NotLive();
    /// @notice The hub takes no reports before this second.
    error FeedHub_Paused(uint256 until);
    /// @notice The feed's round may not be read before this second.
    error FeedHub_FeedPaused(uint16 index, uint256 until);
    /// @notice The stored round is outside the bounds that were set since; the next one will not be, however
    ///         large the step to it.
    error FeedHub_OutOfBounds(uint16 index, int64 seen, int64 minAnswer, int64 maxAnswer);
    /// @notice The feed or hub is not paused.
    error FeedHub_NotPaused();
    /// @notice The guardian may pause again only 7 days after the end of the last pause.
    error FeedHub_PauseTooSoon(uint256 seen_at, uint256 wanted_at);

    /// @notice The report's version is another.
    error FeedHub_Version(uint256 seen, uint256 wanted);
    /// @notice The number of entries is not 1 to 1,024.
    error FeedHub_EntryCount(uint256 seen, uint256 wanted);
    /// @notice The report is shorter or longer than its entries and m signatures make it.
    error FeedHub_ReportLength(uint256 seen, uint256 wanted);
    /// @notice The report is about another list of feeds than the one in force.
    error FeedHub_ListRoot(bytes32 seen, bytes32 wanted);
    /// @notice The entries are not in strictly ascending order of index.
    error FeedHub_EntryOrder(uint256 seen, uint256 previous);
    /// @notice An enclave set one of the hub's four flag bits.
    error FeedHub_ReservedFlags(uint256 index, uint256 seen);
    /// @notice The mask does not name exactly m positions.
    error FeedHub_SignerCount(uint256 seen, uint256 wanted);
    /// @notice The mask names both positions of a seat; a seat counts once.
    error FeedHub_SeatTwice(uint256 mask);
    /// @notice The mask names a position beyond the set, or one where nobody is.
    error FeedHub_NoSigner(uint256 position);
    /// @notice The signer's registration has expired.
    error FeedHub_SignerExpired(uint256 position, uint256 expiredAt);
    /// @notice s lies in the upper half of the curve's order.
    error FeedHub_HighS(uint256 position);
    /// @notice The signature is by another key, or over another report.
    error FeedHub_BadSignature(uint256 position, address seen, address wanted);
    /// @notice The signers' hardware is of too few known vendors.
    error FeedHub_TooFewVendors(uint256 seen, uint256 wanted);
    /// @notice The report is older than the window.
    error FeedHub_ReportTooOld(uint256 seen_at, uint256 wanted_at);
    /// @notice The report is from the future.
    error FeedHub_ReportFromTheFuture(uint256 seen_at, uint256 wanted_at);
    /// @notice No entry passed its own checks; nothing was stored.
    error FeedHub_NothingLanded();
    /// @notice The feed has no round of that moment, or keeps it no more; none is made up.
    error FeedHub_UnknownRound(uint16 index, uint256 seen_at, uint256 latest_at);
    /// @notice The feed has no round yet.
    error FeedHub_NeverWritten(uint16 index);
    /// @notice More rounds asked for than feeds can be listed.
    error FeedHub_TooManyIndexes(uint256 seen, uint256 wanted);

    /// @notice A feed got the next index. Definition and decimals reproduce its id:
    ///         keccak256(0x01 ‖ decimals ‖ definition).
    event FeedListed(
        uint16 indexed index,
        bytes32 indexed feedId,
        uint8 decimals,
        bytes definition,
        int64 minAnswer,
        int64 maxAnswer,
        uint16 jumpBps,
        uint32 jumpLapse_s,
        uint16 historyRounds
    );
    /// @notice A feed's bounds and jump limit changed; in force after the next rebuild.
    event FeedLimitsChanged(
        uint16 indexed index, int64 minAnswer, int64 maxAnswer, uint16 jumpBps, uint32 jumpLapse_s
    );
    /// @notice A name points at a feed from now on.
    /// @param formerFeedId Where it pointed before; zero if it is new.
    event AliasSet(
        bytes32 indexed name, bytes32 indexed feedId, uint16 indexed index, bytes32 formerFeedId
    );
    /// @notice When a report is good enough was set.
    event ConfigChanged(HubConfig config);
    /// @notice A table came into force. Its code holds the signers, the feeds' limits and `listRoot`.
    event TableRebuilt(address indexed table, bytes32 indexed listRoot, uint8 seats, uint16 feeds);
    /// @notice Reports are refused until the next rebuild.
    event TableCleared(address by);
    /// @notice A report counted. Every entry without a `FeedSkipped` in the same transaction, before
    ///         this event, was stored as the feed's round `observedAt`.
    /// @param observedAt Seconds since the epoch.
    /// @param submitter Who brought it and paid.
    /// @param mask Positions that signed. The tier in the rounds' flags is the weakest of their signers':
    ///        `SeatTaken` says who was in a position, `SignerRegistered` by which tier.
    /// @param entries The report's packed entries, 14 bytes each.
    event ReportAccepted(uint32 indexed observedAt, address submitter, uint64 mask, bytes entries);
    /// @notice An entry of the report failed its own check and was left out.
    /// @param reason 1 paused, 2 not newer than stored, 3 out of bounds, 4 jump.
    event FeedSkipped(uint16 indexed index, uint8 reason);
    /// @notice A feed takes no reports and cannot be read before `until`, which is now if a
    ///         pause was lifted.
    event FeedPauseChanged(uint16 indexed index, uint256 until, address by);
    /// @notice The hub takes no reports before `until`, which is now if a pause was lifted.
    event PauseChanged(uint256 until, address by);

    /// @notice Store the answers of a report that a quorum of attested enclaves signed. Anyone may call.
    /// @dev Proves origin and order. Does NOT bound the age of what a consumer reads later: consumers
    ///      choose their own staleness limit. Reverts as a whole if structure, signatures, vendors or
    ///      time fail; an entry that is paused, not newer, out of bounds or too far a jump is skipped.
    function submit(bytes calldata report) external;

    /// @notice Take signers, limits and list of feeds as they are now into the table that `submit` uses.
    ///         Anyone may call; reverts if it would change nothing. Takes down, too, that feeds are paused
    ///         when no pause of a feed is left, which makes `verifyConfig` cheaper to act upon.
    /// @return table The contract whose code is the table: `00 | positions x (signer 20 | expiresAt u40
    ///         | vendor u4 | tier u4) | listRoot b32 | feeds x (min i64 | max i64 | jumpBps u16 |
    ///         history 1 bit | jumpLapse_s u31)`.
    function rebuild() external returns (address table);

    /// @notice Refuse all reports until the next rebuild. Signer set only; never reverts for it.
    function clear() external;

    /// @notice List a feed at the next index (at most 1,024). Through `execute` only.
    /// @dev In force after the next rebuild; until then reports name the former `listRoot`.
    /// @return index Its index, for ever.
    function listFeed(FeedListing calldata listing) external returns (uint16 index);

    /// @notice Change a feed's bounds and jump limit, and stop until a rebuild. Through `execute` only.
    /// @dev Reading holds the stored round to the new bounds at once.
    function setFeedLimits(
        uint16 index,
        int64 minAnswer,
        int64 maxAnswer,
        uint16 jumpBps,
        uint32 jumpLapse_s
    ) external;

    /// @notice Point a name at a feed. Through `execute` only.
    /// @dev An alias, once set, moves only to a feed of equal decimals whose stored round is not older; it is
    ///      never taken away. What is checked is the state when the proposal is executed. Two feeds of the
    ///      same reports have rounds of one moment: between such the round's id stays, and its answer changes
    ///      to the other feed's. The next round has another id.
    /// @param name Not zero; by custom the pair in ASCII, as "ETH/USD", padded with zeros behind.
    function setAlias(bytes32 name, uint16 index) external;

    /// @notice Change when a report is good enough, and stop until a rebuild. Through `execute` only.
    function setConfig(HubConfig calldata config_) external;

    /// @notice Refuse to take or to read rounds of a feed for 7 days from now. Guardian or governance.
    /// @dev Governance may renew a pause at any time. The guardian may pause only when 7 days have passed
    ///      since the last pause ended, whoever began it and however it ended.
    function pauseFeed(uint16 index) external;

    /// @notice Lift a feed's pause at once. Governance only.
    function unpauseFeed(uint16 index) external;

    /// @notice Refuse all reports for 7 days from now; stored rounds just age. Guardian or governance.
    /// @dev The guardian waits between pauses as for `pauseFeed`.
    function pauseAll() external;

    /// @notice Lift the pause of the hub at once. Governance only.
    function unpauseAll() external;

    /// @notice The last accepted round of a feed.
    /// @dev Does NOT bound its age. Reverts if the feed is unlisted, never written or paused, or if the round
    ///      is outside the feed's bounds as they are now.
    function read(uint16 index) external view returns (Round memory);

    /// @notice The last accepted rounds of several feeds, in the order asked for, repetitions included.
    /// @dev Reverts as `read` does if it would for any of them.
    /// @param indexes At most 1,024.
    function readMany(uint16[] calldata indexes) external view returns (Round[] memory);

    /// @notice The last accepted round of the feed that a name points at.
    /// @dev Reverts if there is no such name, and as `read` does. Whoever reads by a name trusts governance to
    ///      point it at a feed of the same thing, with the delay to leave. By a name a round's id does not
    ///      fix the answer: an alias may move within one moment; see `setAlias`.
    function readAlias(bytes32 name) external view returns (Round memory);

    /// @notice The index of the feed that a name points at; reverts if there is no such name.
    function aliasIndex(bytes32 name) external view returns (uint16);

    /// @notice The round of a feed whose id is `observedAt`: the latest, or one of those before it that the
    ///         feed was listed to keep.
    /// @dev Reverts if it has no such round or keeps it no more, and as `read` does: if the feed is unlisted
    ///      or paused, or the round outside the feed's bounds as they are now.
    function roundAt(uint16 index, uint32 observedAt) external view returns (Round memory);

    /// @notice The index of a feed; reverts if it is not listed.
    function feedIndex(bytes32 feedId) external view returns (uint16);

    /// @notice A feed's id, decimals, limits and pause; reverts if it is not listed.
    function feedInfo(uint16 index) external view returns (FeedInfo memory);

    /// @notice All feed ids, in order of their index.
    function feedIds() external view returns (bytes32[] memory);

    /// @notice Running hash of the list as it is now: r' = keccak256(r ‖ id), from 32 zero bytes.
    /// @dev The table in force may hold the one of a shorter list until the next rebuild.
    function listRoot() external view returns (bytes32);

    /// @notice When a report is good enough.
    function config() external view returns (HubConfig memory);

    /// @notice Whether a table is in force. `submit` may be paused all the same.
    function isLive() external view returns (bool);

    /// @notice The hub takes no reports before this second, since the epoch; past or 0: not paused.
    function pausedUntil() external view returns (uint256);

    /// @notice The table that was built last, whether in force or cleared; zero before the first.
    function table() external view returns (address);

    /// @notice `verifyConfig` for whoever calls without data: every pulled report saves the search for a
    ///         function.
    fallback(bytes calldata call) external returns (bytes memory);

    /// @notice All that who verifies a report off this hub's storage must know: quorum, window, pause and
    ///         table; see `HubWord`.
    function verifyConfig() external view returns (HubWord);

    /// @notice Where the hub takes its signers from.
    function signerSet() external view returns (ISignerSet);

    /// @notice The EIP-712 domain separator of reports to this hub.
    function domainSeparator() external view returns (bytes32);
}
