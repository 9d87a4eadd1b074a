"""What is acceptable: strict unless a policy says otherwise, and each loosening has a name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from oracle.attestation.claims import Tee
from oracle.attestation.evidence import EvidenceFormat

#: Accepts every advisory that the status allows.
ANY_ADVISORY: Final = "*"

#: Product lines that are refused unless a policy says otherwise, and why.
BANNED_PRODUCT_LINES: Final = {
    "Milan": "in May 2026 the seed from which a Milan chip derives its report keys (VCEK) was"
    " extracted by software alone (BadFuse, MilanLaunchy; arXiv 2605.12990), so whoever had such a"
    " machine can sign any report of it"
}


@dataclass(frozen=True, slots=True)
class ReferenceImage:
    """Reference values of one build: all its registers must match together.

    Attributes:
        name: For people.
        measurements: Value by register name (`mrtd`, `pcr0`, …); that of a submodule is
            `module/name`.
    """

    name: str
    measurements: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Policy:
    """An appraisal policy. The defaults are strict where strictness needs no further input.

    What does need one (reference values, expected report data, platforms, ages) is unchecked until
    it is given, and the result says so.

    Milan is banned by default: the root seed of its chips' report keys was extracted by software
    alone (BadFuse, MilanLaunchy, May 2026), so a genuine signature of a Milan chip no longer proves
    that the chip made it, whatever its firmware.

    Attributes:
        tees: Accepted; empty for any.
        formats: Accepted; empty for any.
        allow_debug: Whether a debugger may read the code's memory.
        statuses: Accepted words of the vendor for the firmware's level.
        advisories: Accepted open advisories; `ANY_ADVISORY` among them accepts all.
        denied_advisories: Refused whatever the other two say.
        minimum_tcb: Smallest security version number by component, by group: a TEE's name (`snp`,
            `tdx`) or a product line (`Genoa`).
        minimum_evaluation_number: Smallest TCB evaluation data number of Intel's; None for any.
        require_sept_ve_disable: TDX: the host must not be able to unmap the guest's pages unseen.
        require_mrservicetd_zero: TDX 1.5: no service TD (such as for migration) is bound.
        require_production_attributes: SGX: the enclave is initialised and has no key of the
            platform's own enclaves; TDX: no attribute is set that weakens a domain (migration,
            service TD extension, Key Locker) or that is not defined.
        vmpls: SNP: privilege levels that may ask for the report, 0 (most privileged) to 3.
        allow_migration_agent: SNP: whether a migration agent may take the guest away.
        require_policy_bit_17: SNP: the reserved guest policy bit that must be one.
        allow_smt: SNP: whether the guest may run where sibling threads are on.
        banned_product_lines: SNP: with the reason.
        require_nonce: TPM: the quote must answer somebody's nonce.
        platform_ids: Accepted machines (`Claims.hardware_id`); empty for any.
        issuers: Accepted issuers of tokens; None for the known ones of each format.
        audience: What a token's `aud` must be; None for any.
        report_data: What the attested code must have chosen, exactly; None for anything.
        report_data_prefix: What that must begin with.
        nonce: What a nonce must be: of a token with several, any one.
        user_data: What the fact `user-data` must be, where a platform has a second field that the
            code chooses (Nitro's, Azure's).
        maximum_age_s: How old evidence may be; None for any age.
        minimum_validity_s: How long everything used must remain valid.
    """

    tees: frozenset[Tee] = frozenset()
    formats: frozenset[EvidenceFormat] = frozenset()
    allow_debug: bool = False
    statuses: frozenset[str] = frozenset({"UpToDate"})
    advisories: frozenset[str] = frozenset()
    denied_advisories: frozenset[str] = frozenset()
    minimum_tcb: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    minimum_evaluation_number: int | None = None
    require_sept_ve_disable: bool = True
    require_mrservicetd_zero: bool = True
    require_production_attributes: bool = True
    vmpls: frozenset[int] = frozenset({0, 1})
    allow_migration_agent: bool = False
    require_policy_bit_17: bool = True
    allow_smt: bool = True
    banned_product_lines: Mapping[str, str] = field(
        default_factory=lambda: dict(BANNED_PRODUCT_LINES)
    )
    require_nonce: bool = True
    platform_ids: frozenset[bytes] = frozenset()
    issuers: frozenset[str] | None = None
    audience: str | None = None
    report_data: bytes | None = None
    report_data_prefix: bytes = b""
    nonce: bytes | None = None
    user_data: bytes | None = None
    maximum_age_s: int | None = None
    minimum_validity_s: int = 0


def loosenings(policy: Policy) -> tuple[str, ...]:
    """Each way in which a policy asks less than the defaults, one sentence for people."""
    strict = Policy()
    found = [text for name, text in _SWITCHES if getattr(policy, name) != getattr(strict, name)]
    statuses = policy.statuses - strict.statuses
    if statuses:
        found.append(f"Firmware of status {_listed(statuses)} is accepted, not only UpToDate.")
    if policy.advisories:
        named = (
            "whatever it is" if ANY_ADVISORY in policy.advisories else _listed(policy.advisories)
        )
        found.append(f"An open advisory is accepted: {named}.")
    levels = policy.vmpls - strict.vmpls
    if levels:
        found.append(f"Reports of privilege level VMPL {_listed(levels)} are accepted.")
    lifted = strict.banned_product_lines.keys() - policy.banned_product_lines.keys()
    found += [
        f"Product line {line} is accepted although it is banned by default:"
        f" {BANNED_PRODUCT_LINES[line]}."
        for line in sorted(lifted)
    ]
    return tuple(found)


#: Options of which any other value than the default asks less.
_SWITCHES: Final = (
    ("allow_debug", "Debug mode is accepted: a debugger may read and change what runs."),
    (
        "require_sept_ve_disable",
        "TDX: SEPT_VE_DISABLE need not be set, so the host can take pages away unseen.",
    ),
    ("require_mrservicetd_zero", "TDX: a service TD may be bound to the guest."),
    (
        "require_production_attributes",
        "Intel: attributes are accepted that weaken an enclave or a domain, or are not defined.",
    ),
    ("allow_migration_agent", "SNP: a migration agent may move the guest to another machine."),
    ("require_policy_bit_17", "SNP: bit 17 of the guest policy, reserved as one, may be zero."),
    ("require_nonce", "TPM: a quote without a nonce is accepted, which may be of any age."),
)


def _listed(values: frozenset[str] | frozenset[int]) -> str:
    return ", ".join(str(value) for value in sorted(values))
