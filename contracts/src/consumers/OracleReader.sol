// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorV3Interface} from "../interfaces/AggregatorV3Interface.sol";
import {IFeedHub, Round} from "../interfaces/IFeedHub.sol";

/// @notice What a consumer asks of a round before it acts upon it. All zeros accept nothing.
struct Guards {
    /// @dev Largest age, in seconds. A moment ahead of the block has age 0.
    uint32 maxAge_s;
    /// @dev Least number of sources.
    uint8 minSources;
    /// @dev Largest spread of the sources, in tenths of a basis point; 65,535 accepts any.
    uint16 maxDispersion;
    /// @dev Weakest tier among the signers, 1 (`DIRECT`) to 4; see `Tier`. Larger is weaker.
    uint8 weakestTier;
}

/// @title Rounds that meet the guards a consumer states
/// @notice For consumers to compile in. Rounds may come from the hub or from `PullReader`.
library OracleReader {
    uint256 private constant MAX_FEEDS = 1024;
    uint256 private constant TIER_SHIFT = 4;
    uint256 private constant TIER_MASK = 3;

    /// @notice The round is older than wanted.
    error OracleReader_Stale(uint256 index, uint256 seen_at, uint256 wanted_at);
    /// @notice The round rests on too few sources.
    error OracleReader_TooFewSources(uint256 index, uint256 seen, uint256 wanted);
    /// @notice The sources are too far apart.
    error OracleReader_Dispersed(uint256 index, uint256 seen, uint256 wanted);
    /// @notice A signer's tier is too weak.
    error OracleReader_WeakTier(uint256 index, uint256 seen, uint256 wanted);
    /// @notice More feeds than a hub can list.
    error OracleReader_TooManyFeeds(uint256 seen, uint256 wanted);
    /// @notice The sequencer is down, or its feed says neither 0 (up) nor 1 (down).
    error OracleReader_SequencerDown(int256 seen, int256 wanted);
    /// @notice The sequencer feed has no round yet, or the sequencer is up for too short a time.
    error OracleReader_SequencerGrace(uint256 upSince, uint256 wanted_at);

    /// @notice The last round of a feed, if it meets the guards.
    /// @dev Reverts as `IFeedHub.read` does, too: unlisted, never written, paused, out of
    ///      bounds.
    function read(IFeedHub hub, uint16 index, Guards memory guards)
        internal
        view
        returns (Round memory round)
    {
        round = hub.read(index);
        check(index, round, guards);
    }

    /// @notice The last rounds of several feeds, if all meet the guards.
    /// @param indexes At most 1,024.
    function readMany(IFeedHub hub, uint16[] memory indexes, Guards memory guards)
        internal
        view
        returns (Round[] memory rounds)
    {
        require(indexes.length <= MAX_FEEDS, OracleReader_TooManyFeeds(indexes.length, MAX_FEEDS));
        rounds = new Round[](indexes.length);
        for (uint256 i = 0; i < rounds.length; ++i) {
            rounds[i] = read(hub, indexes[i], guards);
        }
    }

    /// @notice Check a round, wherever it comes from.
    /// @param index The feed's, for the reason of a refusal.
    function check(uint16 index, Round memory round, Guards memory guards) internal view {
        uint256 maxAge_s = guards.maxAge_s;
        uint256 earliest = maxAge_s < block.timestamp ? block.timestamp - maxAge_s : 0;
        require(round.observedAt >= earliest, OracleReader_Stale(index, round.observedAt, earliest));
        require(
            round.sources >= guards.minSources,
            OracleReader_TooFewSources(index, round.sources, guards.minSources)
        );
        require(
            round.dispersion <= guards.maxDispersion,
            OracleReader_Dispersed(index, round.dispersion, guards.maxDispersion)
        );
        uint256 tier = ((round.flags >> TIER_SHIFT) & TIER_MASK) + 1;
        require(tier <= guards.weakestTier, OracleReader_WeakTier(index, tier, guards.weakestTier));
    }

    /// @notice Check that a rollup's sequencer is up, and has been for longer than `grace_s`.
    /// @dev While it is down only some can reach the chain; after it, all need time to act.
    /// @param uptime Chainlink's L2 sequencer uptime feed: answer 0 is up, `startedAt` is since when.
    function checkSequencer(AggregatorV3Interface uptime, uint32 grace_s) internal view {
        (, int256 answer, uint256 upSince,,) = uptime.latestRoundData();
        require(answer == 0, OracleReader_SequencerDown(answer, 0));
        uint256 latest = grace_s < block.timestamp ? block.timestamp - grace_s : 0;
        // No moment: a round that was begun and not filled.
        require(upSince != 0 && upSince < latest, OracleReader_SequencerGrace(upSince, latest));
    }
}
