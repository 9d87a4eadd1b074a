"""Report to signed report, and the monotonic rule.

Per chain, hub and feed the signed time strictly increases, so one moment never gets two values.
The same entry for the same moment may be signed again, in a report with other feeds beside it.
Memory is bounded by refusing, never by forgetting: what is forgotten could be signed again.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from enclave.domain.errors import RequestRefused
from enclave.domain.observation import Answer
from enclave.domain.report import (
    ENTRY_SIZE,
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
#: Last reports of a hub whose entries may be repeated; the moment of any other is closed.
MAX_RECENT = 16


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


class Hub:
    """What is signed for one hub.

    Attributes:
        domain: EIP-712 domain separator, 32 bytes.
        feeds: The feed list that the last request named.
    """

    def __init__(self, chain_id: int, address: bytes) -> None:
        self.domain = domain_separator(chain_id, address)
        self.feeds = _FeedList(())
        self.signed_at: dict[bytes, int] = {}
        #: The latest of `signed_at`.
        self.latest = 0
        #: By digest, oldest first.
        self.recent: dict[bytes, SignResult] = {}

    def rows(self, answers: Sequence[Answer]) -> list[EntryRow]:
        """Entries of the answers whose feeds are listed, in list order.

        Raises:
            RequestRefused: None is.
        """
        index = self.feeds.index
        rows = [
            (place, answer.value, answer.dispersion, answer.sources_used, 0)
            for answer in answers
            if (place := index.get(answer.feed_id)) is not None
        ]
        if not rows:
            raise RequestRefused(
                f"none of {len(answers)} answers is among the hub's {len(index)} feeds"
            )
        rows.sort()
        return rows

    def conflicts(self, rows: Sequence[EntryRow], observed_at: int) -> Mapping[bytes, str]:
        """Feeds of these entries whose time has passed, and why, by feed id.

        An entry may be repeated if it stands in a recent report of the same second and list:
        under one list an index is one feed.
        """
        # Later than all is later than each; the feeds are looked at one by one only otherwise.
        if observed_at > self.latest:
            return {}
        repeatable = {
            result.entries[start : start + ENTRY_SIZE]
            for result in self.recent.values()
            if result.observed_at == observed_at and result.list_root == self.feeds.root
            for start in range(0, len(result.entries), ENTRY_SIZE)
        }
        found: dict[bytes, str] = {}
        for row in rows:
            feed_id = self.feeds.feed_ids[row[0]]
            before = self.signed_at.get(feed_id, 0)
            is_repeated = observed_at == before and pack_entries([row]) in repeatable
            if observed_at <= before and not is_repeated:
                found[feed_id] = (
                    f"was signed at {before}, wanted later than that, seen {observed_at}"
                )
        return found

    def remember(self, digest: bytes, result: SignResult) -> None:
        """Let the entries of a report be repeated, and the report be answered from memory."""
        recent = self.recent
        recent[digest] = result
        if len(recent) > MAX_RECENT:
            del recent[next(iter(recent))]


class Signer:
    """Signs answers for hubs; holds no key."""

    def __init__(self, keys: DigestSigner) -> None:
        self._keys = keys
        self._hubs: dict[tuple[int, bytes], Hub] = {}
        self._marks = 0
        self._reports = 0

    @property
    def reports(self) -> int:
        """Reports signed since start; a repeated one counts once."""
        return self._reports

    def hub(self, chain_id: int, address: bytes, feed_list: tuple[bytes, ...]) -> Hub:
        """The hub with this feed list, for a request that is handled before the next one.

        Args:
            chain_id: EIP-155 chain id of the hub.
            address: 20 bytes.
            feed_list: The hub's whole list in order; its root is recomputed here.

        Raises:
            RequestRefused: A feed is listed twice, or it is a hub too many.
            ProtocolError: An address or a feed id of another length.
        """
        hub = self._hubs.get((chain_id, address))
        if hub is None:
            if len(self._hubs) >= MAX_HUBS:
                raise RequestRefused(
                    f"signs for {MAX_HUBS} hubs already, which is the most; restart for another"
                )
            hub = self._hubs[(chain_id, address)] = Hub(chain_id, address)
        if hub.feeds.feed_ids != feed_list:
            hub.feeds = _FeedList(feed_list)
        return hub

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
            RequestRefused: No answer is listed, a feed has another entry as late, or a list or a
                hub too many.
            SigningFault: The machine computed wrongly; the process must end.
        """
        target = self.hub(chain_id, hub, feed_list)
        return self.sign_rows(target, target.rows(answers), observed_at)

    def sign_rows(self, hub: Hub, rows: Sequence[EntryRow], observed_at: int) -> SignResult:
        """Sign entries for a hub, by its present feed list.

        Args:
            hub: From `hub`.
            rows: In ascending order of an index that the list has.
            observed_at: Seconds since the epoch.

        Raises:
            RequestRefused: A feed has another entry as late, or it is a feed too many.
            ProtocolError: Entries that no report can hold.
            SigningFault: The machine computed wrongly; the process must end.
        """
        # 1. The monotonic rule.
        for feed_id, reason in hub.conflicts(rows, observed_at).items():
            raise RequestRefused(f"feed 0x{feed_id.hex()} {reason}")
        # 2. The digest; one that was signed lately is answered from memory.
        entries, root = pack_entries(rows), hub.feeds.root
        digest = entries_digest(observed_at, root, entries, hub.domain)
        known = hub.recent.get(digest)
        if known is not None:
            return known
        # 3. Recorded before anything is signed.
        self._mark(hub, rows, observed_at)
        # 4. Sign.
        result = SignResult(observed_at, root, entries, self._keys.sign_digest(digest))
        hub.remember(digest, result)
        self._reports += 1
        return result

    def _mark(self, hub: Hub, rows: Sequence[EntryRow], observed_at: int) -> None:
        signed_at, listed = hub.signed_at, hub.feeds.feed_ids
        # Counted one by one only where the bound is near.
        if self._marks + len(rows) > MAX_MARKS:
            marks = self._marks + sum(listed[row[0]] not in signed_at for row in rows)
            if marks > MAX_MARKS:
                raise RequestRefused(f"{marks} feeds of hubs, wanted at most {MAX_MARKS}; restart")
        before = len(signed_at)
        for row in rows:
            signed_at[listed[row[0]]] = observed_at
        self._marks += len(signed_at) - before
        hub.latest = max(hub.latest, observed_at)
