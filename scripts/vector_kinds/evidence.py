"""Attestation evidence: every case of a TEE's manifest, as the vectors' README says.

A case is right if the verdict under the README's default policy, the TCB status, the advisories
and every asserted fact that the verifier carries come out as the manifest says; so are each of its
derived negatives and each of the other policies. What the manifest says and nobody here can carry
out is wrong, never left out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from enclave.domain.errors import AttestationError, OracleError
from oracle.attestation.appraisal.appraise import appraise
from oracle.attestation.appraisal.policy import ANY_ADVISORY, Policy
from oracle.attestation.appraisal.result import modules
from oracle.attestation.claims import Claims
from oracle.attestation.codecs.certificates import load_certificate
from oracle.attestation.codecs.chains import verify_chain
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.endorsements.documents import Authority, Document, DocumentKind
from oracle.attestation.endorsements.folder import load_collateral
from oracle.attestation.findings import Refusal
from oracle.attestation.roots import Anchors
from oracle.attestation.tees import show, verify
from scripts.vector_kinds import evidence_facts
from scripts.vector_kinds.evidence_case import (
    Case,
    NotACase,
    build_case,
    gather,
    moment,
    read_file,
    read_roots,
    times_of,
)
from scripts.vector_kinds.evidence_negatives import Negative, derive
from scripts.vector_kinds.evidence_policies import parse_words
from scripts.vector_kinds.outcome import Entry, Outcome, Verdict

#: The README's default policy: like the strict one, but for product lines (Milan is accepted) and
#: advisories (the status decides).
DEFAULT = replace(Policy(), banned_product_lines={}, advisories=frozenset({ANY_ADVISORY}))
_VERDICTS = ("accept", "reject", "either")
#: Of an unforeseen error: it is the case that failed, not the run.
_CRASHES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
#: Intel's words for a level; anything else in `tcb_status` says that no level matches.
_STATUSES = frozenset(
    {
        "UpToDate",
        "SWHardeningNeeded",
        "ConfigurationNeeded",
        "ConfigurationAndSWHardeningNeeded",
        "OutOfDate",
        "OutOfDateConfigurationNeeded",
        "Revoked",
    }
)


def accepts(entries: Any) -> bool:
    """Whether a manifest is of this kind."""
    return (
        isinstance(entries, list)
        and bool(entries)
        and all(
            isinstance(entry, dict) and {"vector", "file", "role"} <= entry.keys()
            for entry in entries
        )
        and any(entry["role"] in ("evidence", "collateral") for entry in entries)
    )


def run(folder: Path, entries: Sequence[Entry]) -> Iterator[Outcome]:
    """Run every case of one TEE."""
    for name in dict.fromkeys(entry["vector"] for entry in entries):
        vector = [entry for entry in entries if entry["vector"] == name]
        asked = [entry for entry in vector if "expected" in entry or entry["role"] == "evidence"]
        for entry in asked:
            is_evidence = entry["role"] == "evidence"
            yield from _guarded(folder, entry, vector, _run if is_evidence else _run_certificate)
        if not asked:
            yield from _guarded(folder, vector[0], vector, _run_collateral)


_Runner = Callable[[Path, Entry, Sequence[Entry]], Iterator[tuple[str, str, str]]]


def _guarded(
    folder: Path, entry: Entry, vector: Sequence[Entry], runner: _Runner
) -> Iterator[Outcome]:
    """Outcomes of one case: (what, why it is wrong or empty, what was seen)."""
    case = f"{folder.name}/{entry['file']}"
    try:
        for what, fault, text in runner(folder, entry, vector):
            verdict = Verdict.FAILED if fault else Verdict.PASSED
            name = f"{case} [{what}]" if what else case
            yield Outcome(name, verdict, fault or text, folder.name)
    except (NotACase, OracleError, *_CRASHES) as error:
        text = f"{type(error).__name__}: {error}"
        yield Outcome(case, Verdict.FAILED, text, folder.name)


def _run(folder: Path, entry: Entry, vector: Sequence[Entry]) -> Iterator[tuple[str, str, str]]:
    expected = entry.get("expected")
    if expected not in _VERDICTS:
        raise NotACase(f"expected is {expected!r}, wanted one of {', '.join(_VERDICTS)}")
    case = build_case(folder, entry, vector)
    for now in case.times:
        seen, text = judge(case, DEFAULT, now)
        is_right = expected in ("either", seen)
        fault = "" if is_right else f"{seen} at {now}, wanted {expected}: {text}"
        yield "" if now == case.times[0] else f"at {now}", fault, f"{seen}: {text}"
    yield from _crypto(case)
    yield from _facts(case)
    for words in entry.get("expected_under_other_policies", []):
        policy = parse_words(str(words["policy"]), DEFAULT)
        seen, text = judge(case, policy, case.times[0])
        fault = "" if seen == words["expected"] else f"{seen}, wanted {words['expected']}: {text}"
        yield f"policy: {words['policy']}", fault, f"{seen}: {text}"
    for described in entry.get("derived_negatives", []):
        yield _negative(case, described)


def judge(case: Case, policy: Policy, now: int) -> tuple[str, str]:
    """`accept` or `reject` under a policy, and why."""
    if case.nonce:
        policy = replace(policy, report_data_prefix=case.nonce)
    try:
        claims = _verify(case, now)
    except Refusal as refusal:
        return "reject", f"{type(refusal).__name__}: {refusal}"
    failures = appraise(claims, policy, (), now=now).failures
    if failures:
        first = failures[0].judgement
        return "reject", f"{first.subject} is {first.seen}, wanted {first.wanted}"
    return "accept", str(claims.tee)


def _verify(case: Case, now: int) -> Claims:
    return verify(case.evidence, case.endorsements, roots=case.roots, now=now)


def _crypto(case: Case) -> Iterator[tuple[str, str, str]]:
    """Signatures and chains alone, and the TCB status that they lead to."""
    wanted, status = case.entry.get("expected_crypto_only"), case.entry.get("tcb_status")
    if wanted is None and status is None:
        return
    try:
        claims = _verify(case, case.times[0])
    except Refusal as refusal:
        is_level = refusal.step is not None and "tcb" in refusal.step.name
        seen = "accept" if is_level else "reject"
        found = "no matching level" if is_level else "none"
        text = str(refusal)
    else:
        levels = [module.tcb for _, module in modules(claims) if module.tcb and module.tcb.status]
        seen, found = "accept", levels[0].status if levels else "none"
        text = found
    if wanted is not None:
        fault = "" if seen == wanted else f"{seen}, wanted {wanted}: {text}"
        yield "signatures and chains", fault, seen
    if status is not None:
        is_right = found == status if status in _STATUSES else found == "no matching level"
        yield "TCB status", "" if is_right else f"{found}, wanted {status}", found


def _facts(case: Case) -> Iterator[tuple[str, str, str]]:
    asserted = dict(case.entry.get("facts") or {})
    if not asserted:
        return
    try:
        claims = _verify(case, case.times[0])
    except Refusal:
        claims = None
    try:
        tree = show(case.evidence)
    except AttestationError:
        tree = None
    compared = evidence_facts.compare(case.entry, claims, tree)
    fault = "; ".join(compared.faults)
    yield "facts", fault, str(compared)


def _negative(case: Case, described: Entry) -> tuple[str, str, str]:
    """A change that must be rejected: by the verifier, unless what is expected changes."""
    name = str(described.get("note") or {each: described[each] for each in sorted(described)})
    wanted = described.get("expect", "reject")
    try:
        _verify(case, case.times[0])
    except Refusal as refusal:
        return f"negative: {name}", f"refused without the change: {refusal}", ""
    count = 0
    for changed in derive(case, described, _verify):
        count += 1
        seen, text = _judge_negative(changed)
        if seen != wanted:
            return f"negative: {name}", f"{seen}, wanted {wanted}: {changed.what}: {text}", ""
    if not count:
        return f"negative: {name}", "nothing was changed", ""
    return f"negative: {name}", "", f"{wanted}, {count} times"


def _judge_negative(changed: Negative) -> tuple[str, str]:
    if changed.policy is not None:
        return judge(changed.case, replace(DEFAULT, **changed.policy), changed.now)
    try:
        _verify(changed.case, changed.now)
    except Refusal as refusal:
        return "reject", str(refusal)
    return "accept", "the verifier took it"


def _run_certificate(
    folder: Path, entry: Entry, vector: Sequence[Entry]
) -> Iterator[tuple[str, str, str]]:
    """An endorsement key's certificate without evidence."""
    raw = read_file(folder, entry)
    others = gather(folder, None, [other for other in vector if other is not entry])
    endorsements = Endorsements(tuple(others.certificates), tuple(others.crls))
    roots, now = read_roots(folder, entry), times_of(entry)[0]
    from oracle.attestation.tees.snp import verify_endorsement_key

    try:
        verify_endorsement_key(raw, endorsements, roots=roots, now=now)
        seen, text = "accept", "an endorsement key of AMD"
    except Refusal as refusal:
        seen, text = "reject", str(refusal)
    wanted = entry["expected"]
    fault = "" if wanted in ("either", seen) else f"{seen}, wanted {wanted}: {text}"
    yield "", fault, f"{seen}: {text}"
    compared = evidence_facts.compare_certificate(entry, raw)
    yield "facts", "; ".join(compared.faults), str(compared)


def _run_collateral(
    folder: Path, entry: Entry, vector: Sequence[Entry]
) -> Iterator[tuple[str, str, str]]:
    """Intel's documents without evidence: signed under the vendor's root, and what they say."""
    for other in vector:
        read_file(folder, other)
    documents = load_collateral((folder / entry["file"]).parent)
    described = [other for other in vector if other.get("facts")]
    if not described:
        raise NotACase("neither evidence nor facts about collateral: nothing can be checked")
    for other in described:
        roots = read_roots(folder, other).of(Anchors.INTEL_SGX)
        yield from _document(documents, other["facts"], roots)


def _document(
    documents: Sequence[Document], facts: Entry, roots: Sequence[Any]
) -> Iterator[tuple[str, str, str]]:
    at = moment(str(facts["issueDate"]))
    texts = (DocumentKind.NUMBERS, DocumentKind.TCB_INFO, DocumentKind.QE_IDENTITY)
    (document,) = (each for each in documents if each.kind in texts and each.issued_at == at)
    signers = [each.content for each in documents if isinstance(each.content, Authority)]
    (signer,) = (each for each in signers if each.certificate.id == document.issuer)
    leaf = load_certificate(signer.certificate.der, subject="TCB signing certificate")
    verify_chain(leaf, (), [root.certificate for root in roots], now=at)
    yield "signature", "", f"{document.title}, to Intel's root"
    compared = evidence_facts.compare_document(document, facts)
    yield "facts", "; ".join(compared.faults), str(compared)
