"""A process that gives hostile inputs to parsers, under the limits that each must keep.

    python -P -m tests.oracle.attestation.hostile.limits MODULE COUNT SEED PART PARTS

makes COUNT inputs over every PARTS-th target of a module from number PART on, and prints one JSON
object: inputs, how they ended, the longest CPU time, and `fault`, the recipe of the first input
that was not refused or read as it must be. The name of each target goes to standard error when its
turn comes: where the process itself ends, that is where. A seed decides every change; the keys and
signatures of the samples are new in each process, so a recipe has its input with it.
"""

import base64
import importlib
import json
import random
import resource
import signal
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

from enclave.domain.errors import AttestationError
from tests.oracle.attestation.hostile.mutants import mutants

MAX_MS: Final = 50
MAX_MEMORY: Final = 50 * 2**20
#: Of one input that took too long: how often it is tried again, since a machine may pause.
_TRIES: Final = 3
#: Of CPU time, after which an input is given up.
_HANGS_S: Final = 2


@dataclass(frozen=True, slots=True)
class Target:
    """One parser or verifier.

    Attributes:
        name: For the recipe.
        samples: Inputs that it reads.
        read: Reads one, or raises one of `refusals`.
        refusals: Errors that say that the input is not what it should be.
        costly: Inputs as large as it takes them, and larger: the first ones that it is given.
    """

    name: str
    samples: Sequence[bytes]
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = (AttestationError,)
    costly: Sequence[bytes] = ()


def elapsed_ms(target: Target, mutant: bytes) -> tuple[float, str]:
    """CPU time of one input and how it ended; another exception than a refusal comes through."""
    began = time.thread_time()
    try:
        target.read(mutant)
        ended = "read"
    except target.refusals as error:
        ended = type(error).__name__
        # What a refusal says is shown to people: it must be text.
        str(error).encode()
    return (time.thread_time() - began) * 1e3, ended


def fault_of(target: Target, mutant: bytes) -> tuple[str, str, float]:
    """What is wrong with how a target took an input (empty: nothing), how it ended, the time."""
    best, ended = float("inf"), ""
    for _ in range(_TRIES):
        signal.setitimer(signal.ITIMER_PROF, _HANGS_S)
        try:
            spent, ended = elapsed_ms(target, mutant)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever comes through is the finding
            return f"{type(error).__name__}: {error}"[:300], "fault", 0.0
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        best = min(best, spent)
        if best <= MAX_MS:
            return "", ended, best
    return f"{best:.0f} ms of CPU time, wanted at most {MAX_MS}", ended, best


def limit_memory() -> None:
    """From now on this process can take 50 MiB more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + MAX_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


def run(targets: Sequence[Target], count: int, seed: int) -> dict[str, Any]:
    """Share a number of inputs out among targets.

    Returns:
        What the module's documentation says.
    """
    signal.signal(signal.SIGPROF, _hang)
    endings: Counter[str] = Counter()
    longest: tuple[float, str] = (0.0, "")
    made = 0
    for number, target in enumerate(targets):
        print(target.name, file=sys.stderr, flush=True)
        for sample in target.samples:
            target.read(sample)
        limit_memory()
        share = count // len(targets) + (number < count % len(targets))
        rng = random.Random(f"{seed} {target.name}")
        given = chain(target.costly, mutants(target.samples, share - len(target.costly), rng))
        for index, mutant in enumerate(given):
            fault, ended, spent = fault_of(target, mutant)
            longest = max(longest, (spent, target.name))
            endings[ended] += 1
            made += 1
            if fault:
                return {"inputs": made, "fault": _recipe(target, seed, index, mutant, fault)}
    return {
        "inputs": made,
        "fault": None,
        "targets": len(targets),
        "longest_ms": round(longest[0], 1),
        "longest": longest[1],
        "endings": endings,
    }


def _hang(number: int, frame: object) -> None:
    raise TimeoutError(f"no end after {_HANGS_S} s of CPU time")


def _recipe(target: Target, seed: int, index: int, mutant: bytes, fault: str) -> dict[str, Any]:
    """How to meet a fault again; the input is compressed and in base64."""
    return {
        "what": fault,
        "target": target.name,
        "seed": seed,
        "index": index,
        "size": len(mutant),
        "input": base64.b64encode(zlib.compress(mutant, 9)).decode(),
    }


if __name__ == "__main__":
    inputs, seed, part, parts = (int(argument) for argument in sys.argv[2:])
    module = importlib.import_module(f"tests.oracle.attestation.hostile.{sys.argv[1]}")
    print(json.dumps(run(module.all_targets()[part::parts], inputs, seed)))
