"""What a check of `oracle doctor` finds."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from enclave.domain.errors import OracleError


class Verdict(Enum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report; `mend` is empty if nothing need be done."""

    check: str
    verdict: Verdict
    seen: str
    mend: str = ""


Check = Callable[[], Awaitable[Finding]]


def ok(check: str, seen: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, seen)


def fail(check: str, seen: str, mend: str) -> Finding:
    """It must be mended."""
    return Finding(check, Verdict.FAIL, seen, mend)


async def guard(check: str, work: Check) -> Finding:
    """A check whose own failure is its finding."""
    try:
        return await work()
    except OracleError as error:
        return fail(check, str(error), "see the finding; mend what stands above it first")
