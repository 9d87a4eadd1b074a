"""Recorded and documented bodies of real venues, by their manifests."""

import json
import os
from pathlib import Path

import pytest

from scripts.vector_kinds import market
from scripts.vector_kinds.outcome import Verdict

VECTORS = os.environ.get("ORACLE_VECTORS")
MANIFESTS = sorted((Path(VECTORS) / "market").glob("*/manifest.json")) if VECTORS else []


@pytest.mark.skipif(VECTORS is None, reason="ORACLE_VECTORS is not set: no recorded bodies")
def test_there_are_recorded_bodies() -> None:
    assert MANIFESTS


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.parent.name)
def test_every_case_comes_out_as_its_manifest_says(manifest: Path) -> None:
    entries = json.loads(manifest.read_bytes())
    outcomes = list(market.run(manifest.parent, entries))
    assert len(outcomes) == len(entries)
    assert [each for each in outcomes if each.verdict is Verdict.FAILED] == []
