"""One recorded case of evidence, put together from its manifest's entries by their roles."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oracle.attestation.codecs.tpm_keys import TpmPublic, parse_key, spki
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat, Part
from oracle.attestation.roots import Anchors, PinnedKey, Root, Roots, vendor_roots
from oracle.attestation.tees import detect
from oracle.cli.attest_files import Item, Kind, is_google_vtpm, sort_file
from scripts.vector_kinds.outcome import Entry

#: Evidence that holds at any time (`verifies_at` is null) is verified at both.
ANY_TIME = (1_500_000_000, 1_900_000_000)
#: Roles whose file is a part of the evidence, whatever it looks like.
_PARTS = {
    "tpm-quote": Part.TPM_QUOTE,
    "tpm-quote-signature": Part.TPM_SIGNATURE,
    "quote-signature": Part.TPM_SIGNATURE,
    "pcr-values": Part.PCR_VALUES,
    "ak-public": Part.AK_PUBLIC,
    "event-log": Part.EVENT_LOG,
    "runtime-data": Part.RUNTIME_DATA,
    "hardware-report": Part.HARDWARE_REPORT,
    "attested-evidence": Part.HARDWARE_REPORT,
    "td-quote": Part.TD_QUOTE,
}
#: Roles whose keys are trusted, as the manifest's own trust anchors.
_ANCHOR_ROLES = frozenset({"trust-anchor", "ak-public"})
#: Roles of files that no verifier takes.
_IGNORED_ROLES = frozenset({"trust-root", "event-log-table", "nonce"})
_WINDOWS = ("any_time_between", "window", "collateral_window", "certificate_window")


class NotACase(Exception):
    """The manifest says something that cannot be carried out."""


@dataclass(frozen=True, slots=True)
class Case:
    """What to verify, when, and what the manifest says about it."""

    name: str
    entry: Entry
    evidence: Evidence
    endorsements: Endorsements
    roots: Roots
    times: tuple[int, ...]
    #: File name of each part, for changes that name a file.
    files: dict[str, Part] = field(default_factory=dict)
    #: What `nonce` files say.
    nonce: bytes = b""


@dataclass(slots=True)
class _Gathered:
    certificates: list[bytes] = field(default_factory=list)
    crls: list[bytes] = field(default_factory=list)
    intel: dict[str, str] = field(default_factory=dict)
    jwks: bytes | None = None
    parts: dict[Part, bytes] = field(default_factory=dict)
    files: dict[str, Part] = field(default_factory=dict)
    keys: list[bytes] = field(default_factory=list)
    nonce: bytes = b""


def read_file(folder: Path, entry: Entry) -> bytes:
    """A file as the manifest describes it.

    Raises:
        NotACase: Its hash or size is another.
    """
    raw = (folder / entry["file"]).read_bytes()
    seen = hashlib.sha256(raw).hexdigest()
    if entry.get("sha256") not in (None, seen):
        raise NotACase(f"{entry['file']}: SHA-256 {seen}, wanted {entry['sha256']}")
    if entry.get("size") not in (None, len(raw)):
        raise NotACase(f"{entry['file']}: {len(raw)} bytes, wanted {entry['size']}")
    return _decoded(raw, str(entry.get("encoding", "")))


def _decoded(raw: bytes, encoding: str) -> bytes:
    """What is in a file that is stored as digits or in base64."""
    word = encoding.lower().partition(" ")[0]
    if word in ("hex", "hexadecimal"):
        return bytes.fromhex(raw.decode())
    if word in ("base64", "base64url"):
        text = b"".join(raw.split()).translate(bytes.maketrans(b"-_", b"+/"))
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    return raw


def build_case(folder: Path, entry: Entry, vector: Sequence[Entry]) -> Case:
    """Evidence and everything that lies beside it."""
    raw = read_file(folder, entry)
    told = _format(raw, str(entry.get("kind", "")))
    if told in _TOKENS:
        raw = raw.rstrip(b"\r\n")
    found = gather(folder, told, _companions(entry, vector))
    certificates = tuple(found.certificates)
    if told is EvidenceFormat.TPM_QUOTE and is_google_vtpm(certificates):
        told = EvidenceFormat.GOOGLE_VTPM
    return Case(
        name=f"{folder.name}/{entry['file']}",
        entry=entry,
        evidence=Evidence(told, raw, found.parts),
        endorsements=Endorsements(certificates, tuple(found.crls), found.intel, found.jwks),
        roots=read_roots(folder, entry, found.keys),
        times=times_of(entry),
        files=found.files,
        nonce=found.nonce,
    )


def gather(folder: Path, told: EvidenceFormat | None, entries: Iterable[Entry]) -> Any:
    """Sort the files beside the evidence by role, and by content where the role leaves it open."""
    found = _Gathered()
    for entry in entries:
        role, raw = str(entry.get("role")), read_file(folder, entry)
        if role in _ANCHOR_ROLES:
            found.keys += _keys(raw)
        if role == "nonce":
            found.nonce = raw
        if role in _PARTS:
            found.parts[_PARTS[role]] = raw
            found.files[Path(entry["file"]).name] = _PARTS[role]
        elif role not in _IGNORED_ROLES:
            for item in sort_file(raw):
                _take(found, told, entry, item)
    return found


def read_roots(folder: Path, entry: Entry, keys: Iterable[bytes] = ()) -> Roots:
    """The vendors' roots, or the only one that the manifest trusts for this case."""
    pinned = tuple(PinnedKey(key) for key in keys)
    trusted = entry.get("trust_root")
    if trusted is None:
        return Roots(vendor_roots(), pinned)
    items = sort_file((folder / str(trusted)).read_bytes())
    ders = [item.raw for item in items if item.kind is Kind.CERTIFICATE]
    if not ders:
        raise NotACase(f"trust_root {trusted} has no certificate")
    own = tuple(Root(anchors, "manifest", der) for der in ders for anchors in Anchors)
    return Roots(own, pinned)


def times_of(entry: Entry) -> tuple[int, ...]:
    """When to verify: the moment given, and both ends of a window in which any moment will do."""
    given = entry.get("verifies_at")
    if given is None:
        return ANY_TIME
    windows = [_window(given[name]) for name in _WINDOWS if given.get(name)]
    if "unix" in given:
        first = int(given["unix"])
    elif "at" in given:
        first = moment(str(given["at"]))
    elif windows:
        first = sum(windows[0]) // 2
    else:
        raise NotACase(f"verifies_at has no moment: {sorted(given)}")
    ends = given.get("any_time_between") or []
    exact = [moment(str(text)) for text in ends if len(str(text)) > len("2024-11-06")]
    return (first, *exact)


def window(entry: Entry) -> tuple[int, int]:
    """The first and the last moment at which the case verifies."""
    given = entry.get("verifies_at") or {}
    for name in _WINDOWS:
        if given.get(name):
            return _window(given[name])
    raise NotACase("no window in verifies_at")


def moment(text: str) -> int:
    """A spelled moment, UTC unless it says otherwise, in seconds since the epoch."""
    when = datetime.fromisoformat(text)
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def _window(given: Sequence[Any]) -> tuple[int, int]:
    begin, end = (moment(str(text)) for text in given)
    return begin, end


def _format(raw: bytes, kind: str) -> EvidenceFormat:
    """By content; by the manifest's word only where the content is of no format."""
    for word, told in _KINDS:
        if word in kind.lower() and not _is_detected(raw):
            return told
    return detect(raw)


#: Stored as lines of text, perhaps with an end.
_TOKENS = (EvidenceFormat.MAA_TOKEN, EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN)
_KINDS = (
    ("tdx-quote", EvidenceFormat.TDX_QUOTE),
    ("sgx-quote", EvidenceFormat.SGX_QUOTE),
    ("snp-report", EvidenceFormat.SNP_REPORT),
    ("nitro", EvidenceFormat.NITRO_DOCUMENT),
    ("hcl", EvidenceFormat.AZURE_HCL),
    ("maa", EvidenceFormat.MAA_TOKEN),
    ("confidential-space", EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN),
    ("tpms_attest", EvidenceFormat.TPM_QUOTE),
    ("cca", EvidenceFormat.CCA_TOKEN),
    ("psa", EvidenceFormat.PSA_TOKEN),
)


def _is_detected(raw: bytes) -> bool:
    return any(item.kind is Kind.EVIDENCE for item in sort_file(raw))


def _companions(entry: Entry, vector: Sequence[Entry]) -> Iterator[Entry]:
    """The other files of the case; of several in one role, that whose name is likest."""
    others = [other for other in vector if other is not entry and "expected" not in other]
    for other in others:
        rivals = [each for each in others if each.get("role") == other.get("role")]
        has_siblings = len([each for each in vector if "expected" in each]) > 1
        if has_siblings and other.get("role") in _PARTS and len(rivals) > 1:
            best = max(_likeness(entry, each) for each in rivals)
            alike = [each for each in rivals if _likeness(entry, each) == best]
            if alike != [other]:
                if len(alike) > 1:
                    raise NotACase(f"which {other['role']} belongs to {entry['file']}?")
                continue
        yield other


def _likeness(one: Entry, other: Entry) -> int:
    """How many words two file names share."""
    words = [set(re.split(r"[^a-z0-9]+", Path(each["file"]).stem.lower())) for each in (one, other)]
    return len(words[0] & words[1])


def _keys(raw: bytes) -> Iterator[bytes]:
    for item in sort_file(raw):
        if item.kind is Kind.KEY:
            key = parse_key(item.raw)
            yield spki(key.key if isinstance(key, TpmPublic) else key)


def _take(found: _Gathered, told: EvidenceFormat | None, entry: Entry, item: Item) -> None:
    if item.kind is Kind.CERTIFICATE:
        found.certificates.append(item.raw)
    elif item.kind is Kind.CRL:
        found.crls.append(item.raw)
    elif item.kind is Kind.INTEL:
        found.intel |= _intel(item.raw)
    elif item.kind is Kind.JWKS:
        found.jwks = item.raw
    elif item.kind is Kind.EVIDENCE:
        is_azure = told is EvidenceFormat.AZURE_HCL
        is_quote = item.format is EvidenceFormat.TPM_QUOTE
        azure = Part.TPM_QUOTE if is_quote else Part.TD_QUOTE
        found.parts[azure if is_azure else Part.HARDWARE_REPORT] = item.raw
    elif item.kind in _BY_CONTENT:
        found.parts[_BY_CONTENT[item.kind]] = item.raw
        found.files[Path(entry["file"]).name] = _BY_CONTENT[item.kind]
    elif item.kind is not Kind.KEY:
        raise NotACase(f"{entry['file']}: role {entry.get('role')!r} is unknown, and its content")


_BY_CONTENT = {
    Kind.PCR_VALUES: Part.PCR_VALUES,
    Kind.SIGNATURE: Part.TPM_SIGNATURE,
    Kind.EVENT_LOG: Part.EVENT_LOG,
}


def _intel(raw: bytes) -> dict[str, str]:
    import json

    return {name: text for name, text in json.loads(raw).items() if isinstance(text, str)}
