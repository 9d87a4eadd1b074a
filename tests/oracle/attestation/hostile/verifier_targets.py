"""Verifiers with evidence of which one file is altered: the main one, a part, an endorsement."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from enclave.domain.errors import AttestationError, MalformedEvidence
from oracle.attestation.claims import Claims
from oracle.attestation.evidence import Part
from oracle.attestation.tees import detect, show, verify
from tests.oracle.attestation.hostile.limits import Target
from tests.oracle.attestation.hostile.samples import Genuine

#: Of Intel's collateral: written as digits, altered as what they stand for.
_IN_DIGITS = ("root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature")
#: Facts that say what an event log was about, and no more than that.
_OF_LOGS = frozenset({"event-log-registers"})

Altered = Callable[[Genuine, bytes], Genuine]


class OtherClaims(Exception):
    """Altered evidence was accepted and says something else than the sample."""


def verifier_targets(known: Sequence[Genuine], prefix: str = "") -> Iterator[Target]:
    """Of each piece of evidence: `verify` of every file, `show` of those that it takes."""
    if known:
        yield Target(f"{prefix}detect", [raw for genuine in known for raw in genuine.raws], detect)
    for number, genuine in enumerate(known):
        name = f"{prefix}{number} {genuine.evidence.format.value}"
        yield _verify(f"{name}: verify", genuine, genuine.raws, _with_raw, is_exact=True)
        yield _show(f"{name}: show", genuine, genuine.raws, _with_raw)
        for part, content in genuine.evidence.parts.items():
            changed = _with_part(part)
            yield _verify(f"{name}: verify with {part.value}", genuine, (content,), changed)
            yield _show(f"{name}: show with {part.value}", genuine, (content,), changed)
        for what, content, changed in _endorsements(genuine):
            yield _verify(f"{name}: verify with {what}", genuine, (content,), changed)


def _verify(
    name: str,
    genuine: Genuine,
    samples: Sequence[bytes],
    changed: Altered,
    *,
    is_exact: bool = False,
) -> Target:
    """Whatever is accepted must say what a sample says.

    Endorsements and further parts are not signed as a whole: without some of them fewer checks are
    made, which claims must say, so only what the evidence itself says is compared.
    """

    def read(raw: bytes) -> Claims:
        case = changed(genuine, raw)
        return verify(case.evidence, case.endorsements, roots=case.roots, now=case.now)

    wanted = [read(sample) for sample in samples]
    if not is_exact:
        wanted = [_essence(claims) for claims in (*wanted, *_with_fewer(genuine))]

    def checked(raw: bytes) -> None:
        claims = read(raw)
        if (claims if is_exact else _essence(claims)) not in wanted:
            raise OtherClaims(repr(claims))

    return Target(name, samples, checked)


def _with_fewer(genuine: Genuine) -> Iterator[Claims]:
    """What is claimed without one of the certificates: a host may leave out what is not needed."""
    brought = genuine.endorsements.certificates
    for place in range(len(brought)):
        left = replace(genuine.endorsements, certificates=brought[:place] + brought[place + 1 :])
        with suppress(AttestationError):
            yield verify(genuine.evidence, left, roots=genuine.roots, now=genuine.now)


def _essence(claims: Claims) -> Claims:
    facts = {name: value for name, value in claims.facts.items() if name not in _OF_LOGS}
    inner = {name: _essence(each) for name, each in claims.submodules.items()}
    return replace(claims, facts=facts, submodules=inner, unchecked=(), expires_at=None)


def _show(name: str, genuine: Genuine, samples: Sequence[bytes], changed: Altered) -> Target:
    return Target(name, samples, lambda raw: show(changed(genuine, raw).evidence))


def _with_raw(genuine: Genuine, raw: bytes) -> Genuine:
    return replace(genuine, evidence=replace(genuine.evidence, raw=raw))


def _with_part(part: Part) -> Altered:
    def changed(genuine: Genuine, raw: bytes) -> Genuine:
        parts = {**genuine.evidence.parts, part: raw}
        return replace(genuine, evidence=replace(genuine.evidence, parts=parts))

    return changed


def _endorsements(genuine: Genuine) -> Iterator[tuple[str, bytes, Altered]]:
    """What each is, its bytes, and how they are put back."""
    brought = genuine.endorsements
    for field in ("certificates", "crls"):
        for place, content in enumerate(getattr(brought, field)):
            yield f"{field}[{place}]", content, _with_listed(field, place)
    if brought.jwks is not None:
        yield "jwks", brought.jwks, _with_jwks
    if brought.intel:
        yield "collateral", json.dumps(dict(brought.intel)).encode(), _with_collateral
    for name, text in brought.intel.items():
        content = bytes.fromhex(text) if name in _IN_DIGITS else text.encode()
        yield f"collateral's {name}", content, _with_document(name)


def _with_listed(field: str, place: int) -> Altered:
    def changed(genuine: Genuine, raw: bytes) -> Genuine:
        brought = genuine.endorsements
        listed: list[bytes] = list(getattr(brought, field))
        listed[place] = raw
        if field == "crls":
            return replace(genuine, endorsements=replace(brought, crls=tuple(listed)))
        return replace(genuine, endorsements=replace(brought, certificates=tuple(listed)))

    return changed


def _with_jwks(genuine: Genuine, raw: bytes) -> Genuine:
    return replace(genuine, endorsements=replace(genuine.endorsements, jwks=raw))


def _with_collateral(genuine: Genuine, raw: bytes) -> Genuine:
    """As a file, of which only fields that are text are taken."""
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise MalformedEvidence(f"not JSON: {error}") from error
    if not isinstance(fields, dict) or not all(isinstance(each, str) for each in fields.values()):
        raise MalformedEvidence("not an object of texts")
    return replace(genuine, endorsements=replace(genuine.endorsements, intel=fields))


def _with_document(name: str) -> Altered:
    def changed(genuine: Genuine, raw: bytes) -> Genuine:
        text = raw.hex() if name in _IN_DIGITS else raw.decode("utf-8", "replace")
        fields = {**genuine.endorsements.intel, name: text}
        return replace(genuine, endorsements=replace(genuine.endorsements, intel=fields))

    return changed
