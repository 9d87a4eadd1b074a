"""What became of one case."""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Verdict(Enum):
    """Whether a case came out as its manifest says."""

    PASSED = "pass"
    FAILED = "FAIL"
    NOT_APPLICABLE = "n/a"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case.

    Attributes:
        case: Folder and file.
        verdict: See `Verdict`.
        text: What read it; for the others, why.
        group: What its right and wrong are counted under, such as a TEE; empty for none.
    """

    case: str
    verdict: Verdict
    text: str
    group: str = ""


#: One entry of a manifest.
Entry = dict[str, Any]
