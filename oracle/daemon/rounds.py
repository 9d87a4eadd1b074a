"""The round loop: have the enclave look, then have each chain report what is due there."""

import asyncio
from collections.abc import Iterable, Sequence

import structlog
from structlog.contextvars import bound_contextvars

from enclave.domain import wire
from enclave.domain.errors import OracleError
from oracle.daemon.events import Observer, RoundMade
from oracle.daemon.problems import Problems
from oracle.daemon.reports import Loaded, Reporter
from oracle.daemon.session import load_feeds
from oracle.enclave_link import DEADLINES_S, EnclaveClient, EnclaveLost
from oracle.feeds.catalogue import Feed
from oracle.telemetry.state import NodeState

log = structlog.get_logger(__name__)

#: A round that takes longer is near the end of the enclave's patience with its sources, and ours.
SLOW_S = DEADLINES_S["round"] / 2


class RoundLoop:
    """Rounds of one enclave: one observation of each feed, reported on each chain by itself."""

    def __init__(
        self,
        client: EnclaveClient,
        *,
        feeds: Sequence[Feed],
        reporters: Sequence[Reporter],
        state: NodeState,
        problems: Problems,
        observer: Observer,
        paused: Iterable[bytes] = (),
    ) -> None:
        """Set up.

        Args:
            client: Speaks to the enclave.
            feeds: Loaded in it.
            reporters: One for each chain.
            state: Written.
            problems: Written.
            observer: Told of rounds.
            paused: Ids of feeds that are loaded for others' sake and not asked for.
        """
        self._client = client
        self._loaded = _loaded(feeds, paused)
        self._reporters = tuple(reporters)
        self._one_at_a_time = asyncio.Lock()
        self._state = state
        self._problems = problems
        self._observer = observer

    async def run(self, poll_s: float) -> None:
        """Make rounds until cancelled or the enclave is lost; a tick that is missed is left out."""
        loop = asyncio.get_running_loop()
        tick = loop.time()
        while True:
            await self._round()
            tick = max(tick + poll_s, loop.time())
            await asyncio.sleep(tick - loop.time())

    async def change(self, feeds: Sequence[Feed], paused: Iterable[bytes]) -> None:
        """Have the enclave load other feeds, between two rounds.

        Raises:
            EnclaveLost: The enclave is gone; the next one loads what its daemon says then.
            OracleError: The enclave refuses a definition; the feeds are those of before.
        """
        async with self._one_at_a_time:
            await load_feeds(self._client, feeds)
            self._loaded = _loaded(feeds, paused)

    async def _round(self) -> None:
        async with self._one_at_a_time:
            await self._make_round()

    async def _make_round(self) -> None:
        try:
            result = await self._look(self._loaded.asked)
        except EnclaveLost:
            raise
        except OracleError as error:
            _say_failed(error)
            return
        for reporter in self._reporters:
            with bound_contextvars(chain=reporter.chain):
                try:
                    await reporter.report(result, lambda: self._loaded)
                except EnclaveLost:
                    raise
                except OracleError as error:
                    # The other chains have their reports all the same.
                    _say_failed(error)

    async def _look(self, feed_ids: Sequence[bytes]) -> wire.RoundResult:
        loop = asyncio.get_running_loop()
        started = loop.time()
        result = await self._client.run_round(feed_ids)
        self._state.round_at = loop.time()
        self._state.round_s = self._state.round_at - started
        self._state.rounds += 1
        self._note_pace()
        self._note(result)
        log.info(
            "round_made",
            round=result.round_id,
            observed_at=result.observed_at,
            answers=len(result.answers),
            failed=len(result.failed),
            elapsed_ms=round(1000 * self._state.round_s),
        )
        self._observer(RoundMade(result, self._state.round_s))
        return result

    def _note_pace(self) -> None:
        if self._state.round_s > SLOW_S:
            limit_s = DEADLINES_S["round"]
            text = (
                f"a round takes longer than {SLOW_S:g} s; at {limit_s:g} s the enclave is replaced"
            )
            self._problems.notice("slow enclave", text)
        else:
            self._problems.drop_notice("slow enclave")

    def _note(self, result: wire.RoundResult) -> None:
        for answer in result.answers:
            feed = self._state.feeds.get(answer.feed_id)
            if feed is None:
                continue
            feed.answer, feed.observed_at, feed.failure = answer.value, result.observed_at, ""
            feed.sources_used, feed.sources_asked = answer.sources_used, answer.sources_asked
            feed.dispersion = answer.dispersion
            feed.source_failures = {f.source: f.message for f in answer.failures}
        for failed in result.failed:
            feed = self._state.feeds.get(failed.failure.feed_id)
            if feed is None:
                continue
            if not feed.failure:
                message = failed.failure.message
                log.warning("feed_failed", feed=feed.name, error=failed.failure.error, why=message)
            feed.failure = failed.failure.message
            feed.source_failures = {f.source: f.message for f in failed.failures}


def _loaded(feeds: Sequence[Feed], paused: Iterable[bytes]) -> Loaded:
    return Loaded({feed.feed_id: feed for feed in feeds}, frozenset(paused))


def _say_failed(error: OracleError) -> None:
    log.warning("round_failed", error=type(error).__name__, message=str(error))
