"""The attestation result: what each check of a policy came to, for the relying party."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from oracle.attestation.claims import Claims, Unchecked
from oracle.attestation.findings import Remedy, Step, Unacceptable


class Verdict(StrEnum):
    """What a check came to."""

    PASSED = "passed"
    FAILED = "failed"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one check saw.

    Attributes:
        verdict: What it came to.
        subject: Register, TCB component, date or field concerned.
        seen: What the claims say; empty if nothing was looked at.
        wanted: What passes; empty likewise.
        reason: Of a failure: why the policy wants it, if that needs saying. Of an unchecked one:
            why not, and what that leaves open.
        remedy: Of a failure: how to mend it.
    """

    verdict: Verdict
    subject: str
    seen: str = ""
    wanted: str = ""
    reason: str = ""
    remedy: Remedy | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one module.

    Attributes:
        step: Which check.
        module: Path of the submodule that it looked at (`hardware`); empty for the whole.
        judgement: What it came to.
    """

    step: Step
    module: str
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class AttestationResult:
    """What a policy makes of genuine evidence.

    Attributes:
        claims: What the evidence proves.
        checks: Every check that applies, also after a failure.
        loosenings: Each way in which the policy asks less than the strict defaults.
    """

    claims: Claims
    checks: tuple[Check, ...]
    loosenings: tuple[str, ...]

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that failed, in the order of their numbers."""
        return self._that_are(Verdict.FAILED)

    @property
    def is_accepted(self) -> bool:
        """Whether no check failed. Says nothing of what was not checked: see `unchecked`."""
        return not self.failures

    @property
    def unchecked(self) -> tuple[Unchecked, ...]:
        """What neither the verifier nor the policy looked at, and why."""
        skipped = (
            Unchecked(_of(check.module, check.judgement.subject), check.judgement.reason)
            for check in self._that_are(Verdict.UNCHECKED)
        )
        return (*_verifier_unchecked("", self.claims), *skipped)

    def require(self) -> None:
        """Demand that it is accepted.

        Raises:
            Unacceptable: The first failure, with its step, what was seen and wanted, and a remedy.
        """
        for check in self.failures:
            found = check.judgement
            raise Unacceptable(
                found.seen,
                found.wanted,
                subject=_of(check.module, found.subject),
                remedy=found.remedy or Remedy.CHANGE_POLICY,
                step=check.step,
            )

    def _that_are(self, verdict: Verdict) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.judgement.verdict is verdict)


def modules(claims: Claims, path: str = "") -> Iterator[tuple[str, Claims]]:
    """The claims and those of every submodule, with their paths; the whole has the empty one."""
    yield path, claims
    for name, module in claims.submodules.items():
        yield from modules(module, f"{path}/{name}" if path else name)


def _verifier_unchecked(path: str, claims: Claims) -> Iterator[Unchecked]:
    for module, each in modules(claims, path):
        for item in each.unchecked:
            yield Unchecked(_of(module, item.what), item.reason)


def _of(module: str, subject: str) -> str:
    return f"{module}: {subject}" if module else subject
