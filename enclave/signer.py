"""Report to signed report, and the monotonic rule.

Per chain, hub and feed the signed time strictly increases, so one moment never gets two values.
Memory is bounded by refusing, never by forgetting: what is forgotten could be signed again.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Protocol

from enclave.domain.errors import RequestRefused
from enclave.domain.observation import Answer
from enclave.domain.report import (
    EntryRow,
    domain_separator,
    entries_digest,
    list_root,
    pack_entries,
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
        #: The latest of `signed_at`.
        self.latest = 0
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
        entries = pack_entries(_listed(answers, target.feeds.index))
        # 2. The digest; one that was signed last is answered from memory.
        root = target.feeds.root
        digest = entries_digest(observed_at, root, entries, target.domain)
        if target.last_result is not None and digest == target.last_digest:
            return target.last_result
        # 3. The monotonic rule; recorded before anything is signed.
        self._mark(target, {answer.feed_id for answer in answers}, observed_at)
        # 4. Sign.
        result = SignResult(observed_at, root, entries, self._keys.sign_digest(digest))
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

    def _mark(self, hub: _Hub, feed_ids: Set[bytes], observed_at: int) -> None:
        signed_at = hub.signed_at
        feed_ids &= hub.feeds.index.keys()
        # Later than all is later than each; the feeds are looked at one by one only otherwise.
        if observed_at <= hub.latest:
            for feed_id in feed_ids:
                before = signed_at.get(feed_id, 0)
                if observed_at <= before:
                    raise RequestRefused(
                        f"feed 0x{feed_id.hex()} was signed at {before}, wanted later than that,"
                        f" seen {observed_at}"
                    )
        marks = self._marks + len(feed_ids - signed_at.keys())
        if marks > MAX_MARKS:
            raise RequestRefused(f"{marks} feeds of hubs, wanted at most {MAX_MARKS}; restart")
        self._marks = marks
        signed_at.update(dict.fromkeys(feed_ids, observed_at))
        hub.latest = max(hub.latest, observed_at)


def _listed(answers: Sequence[Answer], index: Mapping[bytes, int]) -> list[EntryRow]:
    """Entries of the answers whose feeds are listed, in list order."""
    entries = [
        (place, answer.value, answer.dispersion, answer.sources_used, 0)
        for answer in answers
        if (place := index.get(answer.feed_id)) is not None
    ]
    if not entries:
        raise RequestRefused(
            f"none of {len(answers)} answers is among the hub's {len(index)} feeds"
        )
    entries.sort()
    return entries
