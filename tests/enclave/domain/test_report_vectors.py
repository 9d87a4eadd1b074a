"""The golden vectors shared with Solidity, read and written by the enclave's codec."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from enclave.domain.errors import ProtocolError
from enclave.domain.report import (
    Entry,
    Report,
    decode_report,
    domain_separator,
    encode_report,
    list_root,
    report_digest,
)

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
CASES: list[dict[str, Any]] = json.loads((VECTORS / "report.json").read_text())


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _report(case: dict[str, Any]) -> Report:
    return Report(
        observed_at=case["observedAt"],
        list_root=_unhex(case["listRoot"]),
        entries=tuple(Entry(**entry) for entry in case["entries"]),
    )


@pytest.mark.parametrize("case", CASES)
def test_list_root_of_the_vector_is_that_of_its_feed_ids(case: dict[str, Any]) -> None:
    assert list_root(map(_unhex, case["feedIds"])) == _unhex(case["listRoot"])


@pytest.mark.parametrize("case", CASES)
def test_digest_of_the_vector_is_that_of_typed_data(case: dict[str, Any]) -> None:
    domain = domain_separator(case["chainId"], _unhex(case["hub"]))
    assert report_digest(_report(case), domain) == _unhex(case["digest"])


@pytest.mark.parametrize("case", CASES)
def test_report_of_the_vector_is_read_and_written_byte_for_byte(case: dict[str, Any]) -> None:
    raw = _unhex(case["report"])
    signed = decode_report(raw)
    assert signed.report == _report(case)
    assert signed.mask == sum(1 << position for position in case["positions"])
    assert encode_report(signed) == raw


@pytest.mark.parametrize("case", CASES)
def test_a_changed_byte_of_the_vector_is_refused_or_another_report(case: dict[str, Any]) -> None:
    raw = _unhex(case["report"])
    domain = domain_separator(case["chainId"], _unhex(case["hub"]))
    right = decode_report(raw)
    seen = {(report_digest(right.report, domain), right.mask, right.signatures)}
    for place in range(len(raw)):
        mutant = bytearray(raw)
        mutant[place] ^= 1 << place % 8
        try:
            signed = decode_report(bytes(mutant))
        except ProtocolError:
            continue
        assert encode_report(signed) == mutant
        seen_now = (report_digest(signed.report, domain), signed.mask, signed.signatures)
        assert seen_now not in seen
        seen.add(seen_now)


def test_vector_file_is_what_its_generator_writes() -> None:
    generator = runpy.run_path(str(VECTORS / "make_report.py"))
    assert (VECTORS / "report.json").read_text() == generator["render"]()
