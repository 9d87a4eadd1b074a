"""Whatever a host brings is refused or read: nothing else is raised, in little time and memory."""

import json
import os
import secrets
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from oracle.attestation.evidence import EvidenceFormat
from tests.oracle.attestation.hostile.samples import genuine_evidence
from tests.oracle.attestation.hostile.verifier_targets import OtherClaims, verifier_targets

pytestmark = pytest.mark.hostile

SEED = 20_310_601
EVERYDAY, NIGHTLY = 20_000, 250_000
_ROOT = Path(__file__).parents[3]
_LIMITS = "tests.oracle.attestation.hostile.limits"
_PROCESSES = 2


def _start(module: str, count: int, seed: int, part: int, parts: int) -> subprocess.Popen[str]:
    arguments = (str(number) for number in (count, seed, part, parts))
    return subprocess.Popen(
        (sys.executable, "-P", "-m", _LIMITS, module, *arguments),
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a process found; where it ended, if it did not come to print that."""
    printed, said = process.communicate()
    if process.returncode:
        return {"fault": {"what": f"ended with {process.returncode}", "target": said[-2_000:]}}
    found: dict[str, Any] = json.loads(printed)
    return found


# Seconds of CPU time; a busy machine takes several times as long, and 250,000 inputs minutes.
@pytest.mark.timeout(1_200)
def test_hostile_input_is_refused_or_read_within_limits() -> None:
    is_nightly = settings.get_current_profile_name() == "nightly"
    seed = secrets.randbits(63) if is_nightly else SEED
    count = NIGHTLY if is_nightly else EVERYDAY
    running = [
        _start("targets", count // _PROCESSES, seed, part, _PROCESSES) for part in range(_PROCESSES)
    ]
    print(f"{count} inputs, seed {seed}")
    found = [_finish(process) for process in running]
    for each in found:
        assert each["fault"] is None, f"seed {seed}: {each['fault']}"
        print(f"{each['targets']} targets, longest {each['longest_ms']} ms: {each['longest']}")
    assert sum(each["inputs"] for each in found) == count
    endings = sum((Counter(each["endings"]) for each in found), Counter[str]())
    print(dict(endings))
    # Refusals of every depth, and inputs whose change is of no account.
    kinds = {"Malformed", "MalformedEvidence", "Unsigned", "ConfigError", "read"}
    assert kinds <= endings.keys()


@pytest.mark.parametrize(
    ("part", "what"),
    [
        (0, "ValueError: not refused by name"),
        (1, "RecursionError"),
        (2, "ms of CPU time, wanted at most 50"),
        (3, "MemoryError"),
        (4, "UnicodeEncodeError"),
        (5, "TimeoutError: no end after 2 s of CPU time"),
        (6, "ended with -6"),
    ],
)
def test_each_kind_of_fault_is_caught(part: int, what: str) -> None:
    fault = _finish(_start("faulty_targets", 20, SEED, part, 7))["fault"]
    assert what in fault["what"]
    names = ("_raises", "_recurses", "_burns", "_allocates", "_mumbles", "_hangs", "_aborts")
    assert names[part] in fault["target"]


def test_altered_evidence_that_says_something_else_is_a_fault() -> None:
    told = EvidenceFormat.PSA_TOKEN
    (known,) = (each for each in genuine_evidence() if each.evidence.format is told)
    verify = next(
        each
        for each in verifier_targets([replace(known, more=())])
        if each.name.endswith(": verify")
    )
    verify.read(known.evidence.raw)
    with pytest.raises(OtherClaims):
        verify.read(known.more[0])
