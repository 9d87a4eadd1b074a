"""Each format finds its verifier."""

import pytest

from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat
from oracle.attestation.roots import Roots
from oracle.attestation.tees import MODULES, show, steps, verify


class _Recorder:
    """A platform's module that tells what it was called with."""

    STEPS = ()

    def verify(self, *given: object, **named: object) -> object:
        return given, named

    def show(self, evidence: Evidence) -> Node:
        return Node(evidence.format)


def test_every_format_has_a_module() -> None:
    assert MODULES.keys() == set(EvidenceFormat)


def test_a_call_reaches_the_module_of_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    module = _Recorder()
    monkeypatch.setitem(__import__("sys").modules, "oracle.attestation.tees.snp", module)
    evidence, nothing, roots = Evidence(EvidenceFormat.SNP_REPORT, b""), Endorsements(), Roots()
    called: object = verify(evidence, nothing, roots=roots, now=5)
    assert called == ((evidence, nothing), {"roots": roots, "now": 5})
    assert show(evidence) == Node("snp-report")
    assert steps(EvidenceFormat.SNP_REPORT) == ()
