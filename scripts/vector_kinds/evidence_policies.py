"""Policies in words, as manifests relax or tighten the default one."""

import re
from collections.abc import Callable
from dataclasses import replace

from oracle.attestation.appraisal.policy import ANY_ADVISORY, BANNED_PRODUCT_LINES, Policy
from scripts.vector_kinds.evidence_case import NotACase

_STATUS = (
    r"(?:UpToDate|SWHardeningNeeded|ConfigurationNeeded|ConfigurationAndSWHardeningNeeded"
    r"|OutOfDateConfigurationNeeded|OutOfDate|Revoked)"
)
_STATUSES = rf"{_STATUS}(?:(?:, | or | and |, and |/){_STATUS})*"
_ADVISORY = r"[A-Z]+-SA-[0-9]+"
_ADVISORIES = rf"{_ADVISORY}(?:(?:, | or | and |, and ){_ADVISORY})*"
_NOT = r"(?:denied|refused|not allowed|not accepted)"
_LINE = r"(?:Milan|Genoa|Turin)"


def parse_words(text: str, default: Policy) -> Policy:
    """The default policy, changed as the words say.

    Raises:
        NotACase: A clause is none of those that are known.
    """
    policy, rest = default, text.strip().rstrip(".")
    while rest:
        for pattern, change in _CLAUSES:
            found = re.match(rf"{pattern}(?:,? (?:but|and|with) |[,;] |$)", rest, re.IGNORECASE)
            if found:
                policy = change(policy, found[0])
                rest = rest[found.end() :]
                break
        else:
            raise NotACase(f"policy {text!r}: {rest!r} is no rule that is known")
    return policy


def _allow_statuses(policy: Policy, words: str) -> Policy:
    return replace(policy, statuses=policy.statuses | set(re.findall(rf"\b{_STATUS}\b", words)))


def _deny(policy: Policy, words: str) -> Policy:
    denied = policy.denied_advisories | set(re.findall(_ADVISORY, words))
    return replace(policy, denied_advisories=denied)


def _only(policy: Policy, words: str) -> Policy:
    named = frozenset(re.findall(_ADVISORY, words))
    return replace(policy, advisories=named or frozenset({ANY_ADVISORY}))


def _levels(policy: Policy, words: str) -> Policy:
    return replace(policy, vmpls=frozenset(int(level) for level in re.findall(r"[0-3]", words)))


def _ban(policy: Policy, words: str) -> Policy:
    lines = re.findall(_LINE, words)
    banned = {line: BANNED_PRODUCT_LINES.get(line, "banned") for line in lines}
    return replace(policy, banned_product_lines={**policy.banned_product_lines, **banned})


def _number(policy: Policy, words: str) -> Policy:
    return replace(policy, minimum_evaluation_number=int(re.findall(r"[0-9]+", words)[-1]))


def _audience(policy: Policy, words: str) -> Policy:
    return replace(policy, audience=words.split()[1])


def _nonce(policy: Policy, words: str) -> Policy:
    return replace(policy, nonce=words.split()[1].encode())


def _set(**changes: object) -> Callable[[Policy, str], Policy]:
    return lambda policy, _: replace(policy, **changes)  # type: ignore[arg-type] # by name


#: What a clause looks like, and what it changes.
_CLAUSES: tuple[tuple[str, Callable[[Policy, str], Policy]], ...] = (
    (
        rf"(?:TCB )?(?:status(?:es)? )?{_STATUSES}(?: is| are)? (?:allowed|accepted)",
        _allow_statuses,
    ),
    (
        rf"(?:advisor(?:y|ies) )?{_ADVISORIES}(?: is| are)? {_NOT}",
        _deny,
    ),
    (rf"only (?:advisor(?:y|ies) )?{_ADVISORIES}(?: is| are)? (?:allowed|accepted)", _only),
    (rf"(?:its |the )?(?:two )?advisor(?:y|ies) {_ADVISORIES} (?:allowed|accepted)", _only),
    (r"no advisor(?:y|ies)(?: is| are)? allowed", _set(advisories=frozenset())),
    (r"debug(?: mode| image| bit)?(?: is)? (?:allowed|accepted)", _set(allow_debug=True)),
    (r"(?:requires? )?VMPL [0-3](?: or [0-3])*(?: is)?(?: required| only| demanded)?", _levels),
    (
        r"any VMPL(?: is)?(?: allowed| accepted)?",
        _set(vmpls=frozenset({0, 1, 2, 3})),
    ),
    (
        r"MIGRATE_MA(?: is)? (?:allowed|accepted)",
        _set(allow_migration_agent=True),
    ),
    (rf"SMT(?: is)? {_NOT}", _set(allow_smt=False)),
    (
        r"SEPT_VE_DISABLE(?: is)? (?:not required|ignored)",
        _set(require_sept_ve_disable=False),
    ),
    (
        r"MRSERVICETD(?: is)? (?:not required to be zero|ignored|allowed)",
        _set(require_mrservicetd_zero=False),
    ),
    (r"nonce(?: is)? not required", _set(require_nonce=False)),
    (r"audience \S+ (?:expected|required|demanded)", _audience),
    (r"nonce \S+ (?:expected|required|demanded)", _nonce),
    (
        rf"{_LINE}(?: product line)?(?: is)? (?:banned|{_NOT})",
        _ban,
    ),
    (
        r"(?:minimum |at least )?(?:TCB )?evaluation (?:data )?number (?:at least |>= ?)?[0-9]+",
        _number,
    ),
)
