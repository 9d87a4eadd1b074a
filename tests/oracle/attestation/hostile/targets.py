"""Every parser and every verifier of evidence, with inputs that each reads."""

import os

from tests.oracle.attestation.hostile.codec_targets import codec_targets
from tests.oracle.attestation.hostile.limits import Target
from tests.oracle.attestation.hostile.recorded import recorded_evidence, recorded_files
from tests.oracle.attestation.hostile.samples import genuine_evidence
from tests.oracle.attestation.hostile.signed_targets import signed_targets
from tests.oracle.attestation.hostile.verifier_targets import verifier_targets


def all_targets() -> list[Target]:
    """In a fixed order; with recorded evidence if `ORACLE_VECTORS` is set."""
    folder = os.environ.get("ORACLE_VECTORS")
    known = list(genuine_evidence())
    recorded = list(recorded_evidence(folder)) if folder else []
    files = recorded_files(folder) if folder else []
    return [
        *codec_targets(known, files),
        *verifier_targets(known),
        *signed_targets(),
        *verifier_targets(recorded, "recorded "),
    ]
