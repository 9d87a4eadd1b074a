"""Recorded evidence that verifies to its vendor's root, and all recorded files."""

import json
from collections.abc import Iterator
from pathlib import Path

from enclave.domain.errors import OracleError
from oracle.attestation.roots import Roots, vendor_roots
from oracle.attestation.tees import verify
from oracle.cli.attest_inputs import read_inputs
from tests.oracle.attestation.hostile.samples import Genuine

_TEES = ("sgx", "tdx", "snp", "nitro", "azure", "gcp", "cca", "psa", "tpm")
_LARGEST = 65_536


def recorded_files(folder: str) -> list[bytes]:
    """Evidence, certificates, lists, collateral and whatever else lies in the cases' folders."""
    found = (
        path for tee in _TEES for path in sorted(Path(folder, tee).glob("*/*")) if path.is_file()
    )
    return [path.read_bytes() for path in found if path.stat().st_size <= _LARGEST]


def recorded_evidence(folder: str) -> Iterator[Genuine]:
    """Each case that is nothing but its folder and verifies at the moment that it names."""
    for tee in _TEES:
        manifest = Path(folder, tee, "manifest.json")
        for entry in json.loads(manifest.read_bytes()):
            moment = (entry.get("verifies_at") or {}).get("unix")
            if "expected" in entry and moment is not None:
                yield from _verifying(manifest.parent / entry["vector"], int(moment))


def _verifying(case: Path, moment: int) -> Iterator[Genuine]:
    try:
        given = read_inputs(case, ())
        genuine = Genuine(given.evidence, given.endorsements, Roots(vendor_roots()), moment)
        verify(genuine.evidence, genuine.endorsements, roots=genuine.roots, now=moment)
    except OracleError:
        return
    yield genuine
