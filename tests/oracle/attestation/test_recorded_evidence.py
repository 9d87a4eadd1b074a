"""Recorded evidence of real hardware and of synthetic vendors, by its manifests."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from scripts.vector_kinds import evidence, roots
from scripts.vector_kinds.outcome import Verdict

VECTORS = os.environ.get("ORACLE_VECTORS")
KINDS = (evidence, roots)


def _kind(manifest: Path) -> Any:
    entries = json.loads(manifest.read_bytes())
    return next((kind for kind in KINDS if kind.accepts(entries)), None)


FOUND = sorted(Path(VECTORS).glob("*/manifest.json")) if VECTORS else []
MANIFESTS = [manifest for manifest in FOUND if _kind(manifest)]


@pytest.mark.skipif(VECTORS is None, reason="ORACLE_VECTORS is not set: no recorded evidence")
def test_there_is_recorded_evidence() -> None:
    assert MANIFESTS


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.parent.name)
def test_every_case_comes_out_as_its_manifest_says(manifest: Path) -> None:
    entries = json.loads(manifest.read_bytes())
    outcomes = list(_kind(manifest).run(manifest.parent, entries))
    assert outcomes
    assert [each for each in outcomes if each.verdict is not Verdict.PASSED] == []
