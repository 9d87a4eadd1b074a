"""Report to signed report, and the monotonic rule.

Per chain, hub and feed the signed time strictly increases, so one moment never gets two values.
Memory is bounded by refusing, never by forgetting: what is forgotten could be signed again.
"""

from collections.abc import Sequence
from typing import Protocol

from enclave.domain.errors import RequestRefused
from enclave.domain.observation import Answer
from enclave.domain.report import (
    Entry,
    Report,
    domain_separator,
    encode_entries,
    entries_digest,
    list_root,
)
from enclave.domain.wire import SignResult

#: Hubs that one enclave signs for, and (hub, feed) pairs that it remembers.
MAX_HUBS = 16
MAX_MARKS = 16_384


class DigestSigner(Protocol):
    """Signs and verifies; see `keys.Keys`."""

    def sign_digest(self, digest: bytes) -> bytes:
        """64 bytes by EIP-2098."""
        ...


class _FeedList:
    """A hub's feed list: its root, and each feed's index."""

    def __init__(self, feed_ids: tuple[bytes, ...]) -> None:
        self.feed_ids = feed_ids
        self.index = {feed_id: index for index, feed_id in enumerate(feed_ids)}
        if len(self.index) != len(feed_ids):
            raise RequestRefused(
                f"feed list names {len(self.index)} feeds in {len(feed_ids)} places"
            )
        self.root = list_root(feed_ids)


class _Hub:
    """What was signed for one hub."""

    def __init__(self, chain_id: int, address: bytes) -> None:
        self.domain = domain_separator(chain_id, address)
        self.feeds = _FeedList(())
        self.signed_at: dict[bytes, int] = {}
        self.last_digest = b""
        self.last_result: SignResult | None = None


class Signer:
    """Signs answers for hubs; holds no key."""

    def __init__(self, keys: DigestSigner) -> None:
        self._keys = keys
        self._hubs: dict[tuple[int, bytes], _Hub] = {}
        self._marks = 0
        self._reports = 0

    @property
    def reports(self) -> int:
        """Reports signed since start; a repeated one counts once."""
        return self._reports

    def sign(
        self,
        answers: Sequence[Answer],
        *,
        observed_at: int,
        chain_id: int,
        hub: bytes,
        feed_list: tuple[bytes, ...],
    ) -> SignResult:
        """Sign those answers whose feeds the hub lists.

        Asked again for the same report, it gives the same bytes. Does not establish that the
        answers are recent: the holder of the round does.

        Args:
            answers: Of one round, one for each feed.
            observed_at: The round's time, seconds since the epoch.
            chain_id: EIP-155 chain id of the hub.
            hub: Address of the hub, 20 bytes.
            feed_list: The hub's whole list in order; its root is recomputed here.

        Raises:
            RequestRefused: No answer is listed, a feed has a report as late, or a list or a
                hub too many.
            SigningFault: The machine computed wrongly; the process must end.
        """
        # 1. The entries, in the hub's order.
        target = self._hub(chain_id, hub)
        if target.feeds.feed_ids != feed_list:
            target.feeds = _FeedList(feed_list)
        listed = _in_list_order(answers, target.feeds)
        # 2. The digest; one that was signed last is answered from memory.
        report = Report(observed_at, target.feeds.root, tuple(_entry(*item) for item in listed))
        entries = encode_entries(report.entries)
        digest = entries_digest(report, entries, target.domain)
        if target.last_result is not None and digest == target.last_digest:
            return target.last_result
        # 3. The monotonic rule; recorded before anything is signed.
        self._mark(target, [answer.feed_id for _, answer in listed], observed_at)
        # 4. Sign.
        signature = self._keys.sign_digest(digest)
        result = SignResult(observed_at, target.feeds.root, entries, signature)
        target.last_digest, target.last_result = digest, result
        self._reports += 1
        return result

    def _hub(self, chain_id: int, address: bytes) -> _Hub:
        hub = self._hubs.get((chain_id, address))
        if hub is None:
            if len(self._hubs) >= MAX_HUBS:
                raise RequestRefused(
                    f"signs for {MAX_HUBS} hubs already, which is the most; restart for another"
                )
            hub = self._hubs[(chain_id, address)] = _Hub(chain_id, address)
        return hub

    def _mark(self, hub: _Hub, feed_ids: list[bytes], observed_at: int) -> None:
        signed_at = hub.signed_at
        new = 0
        for feed_id in feed_ids:
            before = signed_at.get(feed_id, 0)
            new += feed_id not in signed_at
            if observed_at <= before:
                raise RequestRefused(
                    f"feed 0x{feed_id.hex()} was signed at {before}, wanted later than that,"
                    f" seen {observed_at}"
                )
        if self._marks + new > MAX_MARKS:
            raise RequestRefused(
                f"remembers {self._marks} feeds of hubs, wanted at most {MAX_MARKS}; restart"
            )
        self._marks += new
        for feed_id in feed_ids:
            signed_at[feed_id] = observed_at


def _in_list_order(answers: Sequence[Answer], feeds: _FeedList) -> list[tuple[int, Answer]]:
    listed = [
        (feeds.index[answer.feed_id], answer) for answer in answers if answer.feed_id in feeds.index
    ]
    if not listed:
        raise RequestRefused(
            f"none of {len(answers)} answers is among the hub's {len(feeds.index)} feeds"
        )
    listed.sort(key=_index_of)
    return listed


def _index_of(item: tuple[int, Answer]) -> int:
    return item[0]


def _entry(index: int, answer: Answer) -> Entry:
    return Entry(index, answer.value, answer.dispersion, answer.sources_used)
