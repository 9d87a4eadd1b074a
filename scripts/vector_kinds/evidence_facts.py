"""Facts that a manifest asserts, beside what the verifier's claims and decoded tree say.

A fact is compared wherever something of its name is carried; names are compared without regard to
case and punctuation, values in any of their spellings (number, hexadecimal digits, text).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from oracle.attestation.appraisal.result import modules
from oracle.attestation.claims import Claims, DebugState
from oracle.attestation.codecs.certificates import load_certificate
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.documents import Document
from scripts.vector_kinds.outcome import Entry

#: Words of manifests for what others call differently.
_ALIASES = {
    "abi": ("policyabi",),
    "authorkeyen": ("authorkeyenabled",),
    "bl": ("bootloader",),
    "com": ("committedfirmware",),
    "cpuidfam": ("cpuidfamily",),
    "cpuidmod": ("cpuidmodel",),
    "cpuidstep": ("cpuidstepping",),
    "cur": ("currentfirmware",),
    "debugmode": ("debug",),
    "expectednonce": ("reportdata", "extradata"),
    "fw": ("firmwareversion",),
    "hclhashtype": ("reportdatahashtype",),
    "hclheaderversion": ("headernotmeasuredversion",),
    "hclvariabledatalen": ("variabledatasize",),
    "nonceextradata": ("reportdata", "extradata"),
    "pcesvnheader": ("headerpcesvn",),
    "pcktcb": ("components",),
    "platinfo": ("platforminfo",),
    "policydebug": ("debug",),
    "policyma": ("policymigratema",),
    "product": ("productline", "productname"),
    "qesvnheader": ("headerqesvn",),
    "quoteversion": ("headerversion",),
    "reset": ("resetcount",),
    "restart": ("restartcount",),
    "sigalgo": ("signaturealgo",),
    "signingkey": ("endorsementkey",),
    "status": ("tcbstatus",),
    "tcbevalnumber": ("evaluationnumber",),
    "ucode": ("microcode",),
}
#: Claims that CBOR tokens name by number: EAT (RFC 9711), PSA (RFC 9783 and its predecessor), CCA
#: (draft-ffm-rats-cca-token).
_LABELS = {
    "10": ("nonce", "challenge"),
    "256": ("instance-id",),
    "265": ("profile",),
    "2394": ("client-id",),
    "2395": ("security-lifecycle", "lifecycle"),
    "2396": ("implementation-id",),
    "2397": ("boot-seed",),
    "2398": ("hardware-version", "certification-reference"),
    "2399": ("software-components",),
    "2400": ("verification-service",),
    "2401": ("config",),
    "2402": ("hash-algorithm",),
    "44235": ("personalization-value",),
    "44236": ("hash-algorithm",),
    "44237": ("public-key",),
    "44238": ("initial-measurement",),
    "44239": ("extensible-measurements",),
    "44240": ("public-key-hash-algorithm",),
    "-75000": ("profile",),
    "-75001": ("client-id",),
    "-75002": ("security-lifecycle",),
    "-75003": ("implementation-id",),
    "-75004": ("boot-seed",),
    "-75005": ("hardware-version",),
    "-75006": ("software-components",),
    "-75008": ("nonce",),
    "-75009": ("instance-id",),
    "-75010": ("verification-service",),
}
_COMPONENT_LABELS = {
    "1": "measurement-type",
    "2": "measurement-value",
    "4": "version",
    "5": "signer-id",
    "6": "measurement-description",
}
_NUMBERED = frozenset({"platform_claims", "realm_claims", "claims"})
#: COSE algorithms by number, as trees name them.
_ALGORITHMS = {-7: "alg: ES256", -35: "alg: ES384", -36: "alg: ES512"}
#: Of the PCK certificate, where the same word is something else of the quote.
_NOT_CARRIED = frozenset({("pck", "cpusvn")})
#: Prose about the case, not facts about its bytes.
_PROSE = frozenset({"test", "note", "source", "verified_at", "now", "input_data", "gce_extension"})
#: Of a tree, so many names from the leaf up make a name.
_DEEPEST = 4
Pool = dict[str, set[str]]


@dataclass(slots=True)
class Compared:
    """How many facts are right, of which ones nothing is carried, and what is wrong."""

    right: int = 0
    absent: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line."""
        rest = f"; not carried: {', '.join(self.absent)}" if self.absent else ""
        return f"{self.right} as asserted{rest}"

    def add(self, name: str, wanted: Any, seen: set[str] | None) -> None:
        """One fact beside all values that are carried under its name."""
        if seen is None:
            self.absent.append(name)
        elif spellings(wanted) & seen:
            self.right += 1
        else:
            shown = ", ".join(sorted(seen)[:4])
            self.faults.append(f"{name} is {shown[:200]}, wanted {str(wanted)[:200]}")


def compare(entry: Entry, claims: Claims | None, tree: Node | None) -> Compared:
    """All facts of a piece of evidence.

    Args:
        entry: With `facts`, perhaps `checked`.
        claims: None where the verifier refuses the evidence.
        tree: None where it cannot be decoded.
    """
    pool: Pool = {}
    for name, value in (*_of_claims(claims), *_of_tree(tree)):
        pool.setdefault(_plain(name), set()).update(spellings(value))
    found = Compared()
    for path, wanted in _flatten(entry["facts"]):
        if path[-1].endswith("_ascii") or path[-1].endswith("_json"):
            _add_text(found, path[-1], str(wanted), claims)
        elif path[-1] not in _PROSE and not _is_prose(path, wanted):
            found.add(".".join(path), wanted, _look_up(pool, path))
    if claims is not None:
        _add_checked(found, entry.get("checked") or {}, claims)
    return found


def compare_certificate(entry: Entry, raw: bytes) -> Compared:
    """Facts of a VCEK or VLEK."""
    from oracle.attestation.codecs.snp_keys import parse_endorsement_key
    from oracle.attestation.codecs.snp_report import tcb_components

    key = parse_endorsement_key(load_certificate(raw, subject="endorsement key"))
    pool: Pool = {"product": spellings(key.product), "hwid": spellings(key.hwid)}
    for name, value in tcb_components(key.tcb, key.line).items():
        pool[_plain(name)] = spellings(value)
    found = Compared()
    for name, wanted in entry["facts"].get("ek_extensions", {}).items():
        found.add(name, wanted, _look_up(pool, (name,)))
    return found


def compare_document(document: Document, facts: Entry) -> Compared:
    """Facts of one of Intel's documents."""
    content: Any = document.content
    found = Compared()
    for name, seen in (
        ("id", content.tee.name),
        ("issueDate", _iso(document.issued_at)),
        ("nextUpdate", _iso(document.ends_at)),
    ):
        if name in facts:
            found.add(name, facts[name], spellings(seen))
    return found


def spellings(value: Any) -> set[str]:
    """Every way to spell a value."""
    if isinstance(value, bool):
        return {str(value).lower()}
    if isinstance(value, int):
        return {str(value), _ALGORITHMS.get(value, str(value)).lower()}
    if isinstance(value, bytes):
        return {value.hex(), *_printable(value)}
    if value is None:
        return {"", "null", "none", "absent", "empty"}
    if isinstance(value, list):
        words = [str(each) for each in value]
        versions = ".".join(reversed(words))
        return {json.dumps(value, separators=(",", ":")).lower(), " ".join(words), versions}
    return _text_spellings(str(value))


def _text_spellings(text: str) -> set[str]:
    found = {text.lower()}
    if re.fullmatch(r"0x[0-9a-fA-F]+", text):
        found |= {str(int(text, 16)), text[2:].lower()}
    if re.fullmatch(r"[0-9a-fA-F]{2,16}", text):
        found.add(str(int(text, 16)))
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}.*", text):
        moment = datetime.fromisoformat(text.replace(" UTC", "+00:00").replace("Z", "+00:00"))
        found.add(f"at {int(moment.timestamp())}")
    return found


def _printable(value: bytes) -> set[str]:
    text = value.decode("ascii", "replace")
    return {text.lower()} if text.isascii() and text.isprintable() else set()


def _of_claims(claims: Claims | None) -> Iterator[tuple[str, Any]]:
    if claims is None:
        return
    for _, module in modules(claims):
        for measured in module.measurements:
            yield measured.name, measured.value
        yield "report_data", module.report_data
        if module.debug is not DebugState.UNKNOWN:
            yield "debug", module.debug is DebugState.ENABLED
        yield "chip_id", module.hardware_id
        if module.tcb is not None:
            yield from module.tcb.components.items()
            yield "tcb-status", module.tcb.status
            yield "advisory_ids", list(module.tcb.advisories)
            yield "evaluation-number", module.tcb.evaluation_number
        yield from module.facts.items()


def _of_tree(tree: Node | None, above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every node's value and note, by its name and by that after its parents' names."""
    if tree is None:
        return
    path = (*above, tree.name)[-_DEEPEST:]
    is_list = bool(tree.children) and not any(child.children for child in tree.children)
    listed = " ".join(child.value for child in tree.children) if is_list else ""
    for start in range(len(path)):
        yield ".".join(path[start:]), tree.value or listed
        if tree.note:
            yield ".".join(path[start:]), tree.note
    for child in tree.children:
        yield from _of_tree(child, path)


def _flatten(facts: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    is_nested = isinstance(facts, list) and any(isinstance(each, Mapping) for each in facts)
    if isinstance(facts, Mapping):
        for name, value in facts.items():
            yield from _flatten(value, (*path, str(name)))
    elif is_nested or (isinstance(facts, list) and path and path[-1] in _LABELS):
        for number, value in enumerate(facts):
            yield from _flatten(value, (*path, str(number)))
    elif path:
        yield path, facts


def _look_up(pool: Pool, path: tuple[str, ...]) -> set[str] | None:
    """What is carried under the longest part of the path that something is carried under."""
    for named in _readings(path):
        # What stands in a list is told by its place in it, hence by the list's own name.
        places = [at for at, each in enumerate(named) if each.isdecimal()]
        for start in range(places[0] if places else len(named)):
            name = _plain(".".join(named[start:]))
            found = [pool[known] for known in (name, *_ALIASES.get(name, ())) if known in pool]
            if found:
                return set().union(*found)
    return None


def _readings(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The path in names, where it has numbers."""
    if path in _NOT_CARRIED:
        return
    if path[-1].isdecimal() and len(path) > 1 and path[-2].startswith("pcr"):
        yield (f"pcr{path[-1]}",)
    elif path[-2:-1] and (path[-2].endswith("_alg") or path[-2] == "protected"):
        yield ("protected header",)
    elif path[0] in _NUMBERED and len(path) > 1 and path[1] in _LABELS:
        rest = path[2:3] + tuple(_COMPONENT_LABELS.get(each, each) for each in path[3:])
        for label in _LABELS[path[1]]:
            yield (label, *rest)
    elif not path[-1].lstrip("-").isdecimal():
        yield path


def _is_prose(path: tuple[str, ...], value: Any) -> bool:
    """Whether a source's word about a field is a description, such as `32-byte key`."""
    return path[0] == "asserted_by_source" and isinstance(value, str) and " " in value


def _add_text(found: Compared, name: str, wanted: str, claims: Claims | None) -> None:
    """Text that a field of bytes begins with."""
    plain = name.rpartition("_")[0].replace("_", "-")
    raw: Any = None
    if claims is not None:
        raw = claims.report_data if plain == "report-data" else claims.facts.get(plain)
    if plain == "nonce" and claims is not None:
        raw = claims.report_data
    if not isinstance(raw, bytes):
        found.absent.append(name)
    elif raw.startswith(wanted.encode()) and not any(raw[len(wanted.encode()) :]):
        found.right += 1
    else:
        found.faults.append(f"{name} is {raw.hex()}, wanted {wanted!r}")


def _add_checked(found: Compared, checked: Entry, claims: Claims) -> None:
    """What was independently checked of the firmware's level."""
    levels = [module.tcb for _, module in modules(claims) if module.tcb and module.tcb.status]
    for name, result in checked.items():
        if not levels or not isinstance(result, Mapping):
            continue
        if name.startswith("dcap") and result.get("result") == "ok":
            found.add(f"{name} status", result.get("status"), spellings(levels[0].status))
            advisories = sorted(str(each) for each in result.get("advisory_ids", []))
            found.add(f"{name} advisories", advisories, spellings(sorted(levels[0].advisories)))
        if name == "own_tcb_evaluation" and "tcb_eval_number" in result:
            number = spellings(levels[0].evaluation_number)
            found.add("TCB evaluation data number", result["tcb_eval_number"], number)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
