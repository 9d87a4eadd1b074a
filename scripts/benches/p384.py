"""`scripts/bench p384`: what a P-384 signature and SHA-384 cost on the EVM, and making a hint.

The peer is Base's hinted verifier, measured on the same EVM.
"""

import json
import statistics
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from gas import GasTable, Operation
from rows import Row

from oracle.attestation.codecs.p384_hints import prove

OPERATIONS = (
    Operation("P-384 verify", 950_000, "Base, hinted: 5,420,000; unhinted: 50,600,000"),
    Operation("SHA-384, a block of 35", 20_500, "Base: 231,000"),
)
TABLE = GasTable("p384", "*/P384Gas.t.sol", OPERATIONS)
_CASES = Path(__file__).resolve().parents[2] / "tests" / "vectors" / "p384.json"
_TIMES, _HINT_MS = 5, Decimal(2_000)


def run() -> Iterator[Row]:
    """Every figure of the table, then the median of a hint's processor time."""
    yield from TABLE.run()
    seen = []
    for case in json.loads(_CASES.read_text())["cases"] * _TIMES:
        parts = [bytes.fromhex(case[name][2:]) for name in ("digest", "signature", "key")]
        begun = time.process_time_ns()
        prove(*parts)
        seen.append(time.process_time_ns() - begun)
    value = Decimal(statistics.median(seen)) / 1_000_000
    yield Row("hint of a signature", value.quantize(Decimal("0.1")), "ms", _HINT_MS)
