"""Changes to a case that must be rejected: by offset, or as a manifest words them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import cbor2

from oracle.attestation.claims import Claims
from oracle.attestation.evidence import EvidenceFormat, Part
from oracle.attestation.roots import vendor_roots
from scripts.vector_kinds.evidence_case import Case, NotACase, window
from scripts.vector_kinds.outcome import Entry

#: Of the bytes of a long field, at least this many are changed, spread over all of it.
_SAMPLES = 256
_CCA_TOKENS = {"platform": 44_234, "realm": 44_241}
_NONCE = 10

Verifier = Callable[[Case, int], Claims]


@dataclass(frozen=True, slots=True)
class Negative:
    """A changed case.

    Attributes:
        what: What was changed.
        case: With the change.
        now: When to verify.
        policy: What to expect besides, where it is the expectation that changes; None where the
            verifier itself must refuse.
    """

    what: str
    case: Case
    now: int
    policy: dict[str, Any] | None = None


def derive(case: Case, described: Entry, verifier: Verifier) -> Iterator[Negative]:
    """Every case that a description stands for.

    Raises:
        NotACase: The description is none that is known, or does not fit the case.
    """
    keys = described.keys() - {"expect", "why", "note"}
    if keys == {"xor_offset", "xor"}:
        yield _xor(case, int(described["xor_offset"]), int(described["xor"]))
    elif keys == {"truncate"}:
        yield _with_raw(case, case.evidence.raw[: int(described["truncate"])], "truncated")
    elif not keys and described.get("note"):
        yield from _worded(case, str(described["note"]), verifier)
    else:
        raise NotACase(f"derived negative of {sorted(described)} is not known")


def _worded(case: Case, note: str, verifier: Verifier) -> Iterator[Negative]:
    for pattern, change in _WORDINGS:
        found = re.fullmatch(pattern, note.strip().rstrip("."), re.IGNORECASE)
        if found:
            yield from change(case, found, verifier)
            return
    raise NotACase(f"derived negative {note!r} is worded in no way that is known")


def _xor(case: Case, offset: int, mask: int) -> Negative:
    raw = bytearray(case.evidence.raw)
    if not 0 <= offset < len(raw) or not 0 < mask < 256:
        raise NotACase(f"xor of {mask} at {offset} of {len(raw)} bytes changes nothing")
    raw[offset] ^= mask
    return _with_raw(case, bytes(raw), f"byte {offset} xor {mask}")


def _with_raw(case: Case, raw: bytes, what: str) -> Negative:
    if raw == case.evidence.raw:
        raise NotACase(f"{what}: nothing changes")
    return Negative(what, replace(case, evidence=replace(case.evidence, raw=raw)), case.times[0])


def _flip(case: Case, field: bytes) -> Iterator[Negative]:
    """One bit in each of many bytes of a field, first and last among them."""
    begin = case.evidence.raw.find(field)
    if begin < 0 or not field or case.evidence.raw.count(field) != 1:
        raise NotACase("the field to change is not found, or more than once")
    step = max(1, len(field) // _SAMPLES)
    for at in sorted({*range(0, len(field), step), len(field) - 1}):
        yield _xor(case, begin + at, 1 << (at % 8))


def _payload(case: Case, found: re.Match[str], _: Verifier) -> Iterator[Negative]:
    name = (found["token"] or "").strip().lower()
    yield from _flip(case, _payload_of(case, name))


def _nonce(case: Case, found: re.Match[str], _: Verifier) -> Iterator[Negative]:
    payload = _payload_of(case, found["token"].lower())
    value = cbor2.loads(payload)[_NONCE]
    begin = case.evidence.raw.find(payload) + payload.find(value)
    if not isinstance(value, bytes) or payload.count(value) != 1:
        raise NotACase("the nonce claim is not found, or more than once")
    for at in range(len(value)):
        yield _xor(case, begin + at, 1 << (at % 8))


def _payload_of(case: Case, token: str) -> bytes:
    """The payload of the document, or of one of the two tokens of a CCA collection."""
    decoded = _untag(cbor2.loads(case.evidence.raw))
    if token:
        decoded = _untag(cbor2.loads(decoded[_CCA_TOKENS[token]]))
    payload = decoded[2]
    if not isinstance(payload, bytes):
        raise NotACase("the payload is no byte string")
    return payload


def _untag(value: Any) -> Any:
    return value.value if isinstance(value, cbor2.CBORTag) else value


def _late(case: Case, found: re.Match[str], _: Verifier) -> Iterator[Negative]:
    late = int(found["seconds"])
    yield Negative(f"{late} s late", case, window(case.entry)[1] + late)


def _early(case: Case, found: re.Match[str], _: Verifier) -> Iterator[Negative]:
    early = int(found["seconds"])
    yield Negative(f"{early} s early", case, window(case.entry)[0] - early)


def _signature(case: Case, _: re.Match[str], __: Verifier) -> Iterator[Negative]:
    """One bit in each of many bytes of the main file's signature."""
    if Part.TPM_SIGNATURE in case.evidence.parts:
        yield from _part_flips(case, Part.TPM_SIGNATURE)
        return
    find = _SIGNATURES.get(case.evidence.format)
    if find is None:
        raise NotACase(f"where a {case.evidence.format} has its signature is not known here")
    yield from _flip(case, find(case.evidence.raw))


def _part_flips(case: Case, part: Part) -> Iterator[Negative]:
    raw = case.evidence.parts[part]
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1 << (at % 8)
        parts = {**case.evidence.parts, part: bytes(changed)}
        evidence = replace(case.evidence, parts=parts)
        yield Negative(f"{part} byte {at}", replace(case, evidence=evidence), case.times[0])


def _cose_signature(raw: bytes) -> bytes:
    return bytes(_untag(cbor2.loads(raw))[3])


#: The signature in the main file, as it stands there.
_SIGNATURES: dict[EvidenceFormat, Callable[[bytes], bytes]] = {
    EvidenceFormat.SNP_REPORT: lambda raw: raw[0x2A0:0x330],
    EvidenceFormat.NITRO_DOCUMENT: _cose_signature,
    EvidenceFormat.PSA_TOKEN: _cose_signature,
    EvidenceFormat.MAA_TOKEN: lambda raw: raw.rpartition(b".")[2],
    EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN: lambda raw: raw.rpartition(b".")[2],
}


def _without(case: Case, found: re.Match[str], _: Verifier) -> Iterator[Negative]:
    """Something that came with the evidence is left out."""
    empty: dict[str, Any] = {
        "collateral": {"intel": {}},
        "chain": {"certificates": ()},
        "certificate": {"certificates": ()},
        "jwks": {"jwks": None},
        "key set": {"jwks": None},
    }
    changed = replace(case.endorsements, **empty[found["what"].lower().removesuffix("s")])
    if changed == case.endorsements:
        raise NotACase(f"there is no {found['what']} to leave out")
    yield Negative(f"without {found['what']}", replace(case, endorsements=changed), case.times[0])


def _other_root(case: Case, found: re.Match[str], _: Verifier) -> Iterator[Negative]:
    """Each vendor's root in place of one certificate of a document's bundle."""
    document = list(_untag(cbor2.loads(case.evidence.raw)))
    index = int(found["index"])
    for root in vendor_roots():
        claims = cbor2.loads(document[2])
        if claims["cabundle"][index] == root.der:
            continue
        claims["cabundle"][index] = root.der
        document_with = [*document[:2], cbor2.dumps(claims), *document[3:]]
        yield _with_raw(case, cbor2.dumps(document_with), f"root of {root.vendor}")


def _pcr(case: Case, found: re.Match[str], _: Verifier) -> Iterator[Negative]:
    """One register after the other."""
    part = case.files.get(found["file"])
    if part is not Part.PCR_VALUES:
        raise NotACase(f"{found['file']} is not the registers of this case")
    text = case.evidence.parts[part].decode()
    values = list(re.finditer(r'"([0-9a-fA-F]{40,128})"', text))
    for value in values:
        digit = "1" if value[1][-1] == "0" else "0"
        changed = text[: value.end() - 2] + digit + text[value.end() - 1 :]
        parts = {**case.evidence.parts, part: changed.encode()}
        evidence = replace(case.evidence, parts=parts)
        what = f"register at {value.start()}"
        yield Negative(what, replace(case, evidence=evidence), case.times[0])


def _expected(case: Case, found: re.Match[str], verifier: Verifier) -> Iterator[Negative]:
    """Something else than the evidence has is expected."""
    claims = verifier(case, case.times[0])
    name = found["field"].lower().replace(" ", "-")
    seen = claims.report_data if name in ("nonce", "report-data") else claims.facts.get(name)
    seen = claims.facts.get("nonce", seen) if name == "nonce" else seen
    if not isinstance(seen, bytes) or not seen:
        raise NotACase(f"the evidence has no {found['field']}")
    last = bytes.fromhex(found["last"]) if found["last"] else bytes((seen[-1] ^ 1,))
    if seen[-1:] == last:
        raise NotACase(f"the evidence has just this {found['field']}")
    policy = {name.replace("-", "_"): seen[:-1] + last}
    yield Negative(f"other {name}", case, case.times[0], policy)


_CHANGE = r"(?:flip|change) (?:a|any|one) (?:byte|bit) (?:in|inside|of)"
_FIELD = r"(?P<field>user data|nonce|report data)"
_BROUGHT = r"(?P<what>collateral|chain|certificates?|jwks|key set)"
#: What a note says, and what is done.
_WORDINGS: tuple[tuple[str, Callable[[Case, re.Match[str], Verifier], Iterator[Negative]]], ...] = (
    (rf"{_CHANGE} the (?P<token>realm |platform )?payload(?: bstr)?", _payload),
    (rf"{_CHANGE} the (?P<token>realm|platform) nonce claim(?: .*)?", _nonce),
    (r"verify at (?:the )?window end \+ (?P<seconds>[0-9]+) s", _late),
    (r"replace cabundle\[(?P<index>[0-9]+)\] by another root", _other_root),
    (r"change (?:one|any) PCR in (?P<file>\S+)", _pcr),
    (rf"(?:another )?expected {_FIELD}(?: with last byte 0x(?P<last>[0-9a-f]{{2}}))?", _expected),
    (rf"{_CHANGE} the signature", _signature),
    (r"verify at (?:the )?window (?:start|begin) - (?P<seconds>[0-9]+) s", _early),
    (rf"(?:without|leave out|remove|drop) the {_BROUGHT}", _without),
)
