"""Endorsements of any platform into a folder, from which `oracle attest` reads them offline."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.attestation.endorsements.intel_bundle import bundle, ends_at
from oracle.attestation.endorsements.pcs import Get, Platform, fetch_collateral
from oracle.attestation.endorsements.services import KEYS_LIVE_S, Question, read_reply

#: What the folder has, and until when: a hidden file, which no verifier reads.
INDEX = ".fetched.json"
INTEL_FILE = "intel-collateral.json"
#: Of the index: some 200 bytes a file.
MAX_INDEX = 65_536
_OK = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of the folder.

    Attributes:
        file: Its name.
        until: When it is out of date, seconds since the epoch.
        is_new: Whether it has been fetched now; else it was there.
        fault: Why it could not be had, if so.
    """

    file: str
    until: int = 0
    is_new: bool = False
    fault: str = ""


class Cache:
    """A folder of endorsements with the ends of their validity."""

    def __init__(self, folder: Path, *, now: int) -> None:
        """Read what there is.

        Args:
            folder: Made if it is absent.
            now: Seconds since the epoch.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._now = now
        self._index = _read_index(folder / INDEX)

    def find(self, asked: str, file: str) -> Kept | None:
        """What is kept of this very question and still in date."""
        kept, until = self._index.get(file, ("", 0))
        is_there = kept == asked and until > self._now and (self._folder / file).is_file()
        return Kept(file, until) if is_there else None

    def keep(self, asked: str, file: str, body: bytes, until: int) -> Kept:
        """Write a reply: whole, under its name, in place of an older one; then the index."""
        _write(self._folder / file, body)
        self._index[file] = (asked, until)
        _write(self._folder / INDEX, json.dumps(self._index, indent=1).encode())
        return Kept(file, until, is_new=True)

    @property
    def now(self) -> int:
        """As given."""
        return self._now


async def fetch_endorsements(get: Get, asked: Sequence[Question], cache: Cache) -> tuple[Kept, ...]:
    """Ask for what the cache lacks, one after the other.

    A reply that is not needed and cannot be had is reported, and the rest asked for.

    Raises:
        CollateralUnavailable: A reply that is needed cannot be had.
        MalformedEvidence: A reply is something else than was asked for.
    """
    return tuple([await _fetch(get, question, cache) for question in asked])


async def fetch_intel(
    get: Get, service: str, platform: Platform, cache: Cache, *, root: bytes
) -> Kept:
    """Intel's collateral for a machine, in one file.

    Args:
        get: Carries the questions.
        service: Where, without a slash at its end.
        platform: The machine.
        cache: Where it is kept.
        root: The vendor's root certificate, DER, for the ends of the chains.

    Raises:
        CollateralUnavailable: The service does not answer, or has nothing for this machine.
        MalformedEvidence: It answered something else.
        SignatureInvalid: A document that no certificate with it signed.
    """
    asked = f"{service} {platform.tee.name} {platform.fmspc.hex()} {platform.ca.value}"
    kept = cache.find(asked, INTEL_FILE)
    if kept is not None:
        return kept
    documents = await fetch_collateral(get, service, platform, lambda table, standard: ())
    text = json.dumps(bundle(documents, root), indent=1)
    return cache.keep(asked, INTEL_FILE, text.encode(), ends_at(documents))


async def _fetch(get: Get, question: Question, cache: Cache) -> Kept:
    kept = cache.find(question.url, question.file)
    if kept is not None:
        return kept
    try:
        reply = await get(question.url)
        if reply.status != _OK:
            raise CollateralUnavailable(f"{question.url}: HTTP status {reply.status}, wanted {_OK}")
    except CollateralUnavailable as error:
        if question.is_needed:
            raise
        return Kept(question.file, fault=str(error))
    until = read_reply(question, reply.body)
    end = cache.now + KEYS_LIVE_S if until is None else until
    return cache.keep(question.url, question.file, reply.body, end)


def _read_index(path: Path) -> dict[str, tuple[str, int]]:
    """File to what was asked for it, and until when it is in date; empty if there is none."""
    if not path.exists():
        return {}
    with path.open("rb") as index:
        raw = index.read(MAX_INDEX + 1)
    if len(raw) > MAX_INDEX:
        raise MalformedEvidence(f"{path} is of over {MAX_INDEX} bytes, wanted at most {MAX_INDEX}")
    try:
        entries = json.loads(raw).items()
        return {file: (str(asked), int(until)) for file, (asked, until) in entries}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedEvidence(f"{path} is no index of fetched files") from error


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
