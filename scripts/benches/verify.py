"""`scripts/bench verify`: how long one piece of evidence takes, with all signatures and collateral.

Generated evidence of every platform, then, with ORACLE_VECTORS set, recorded evidence of the same
formats; and the cold start of the command. Medians in milliseconds: of the processor's time, which
is the whole time on a core that does nothing else; of the cold start, by the clock.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from rows import Row, row

from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat, Part
from oracle.attestation.findings import Refusal
from oracle.attestation.roots import Anchors, PinnedKey, Root, Roots
from oracle.attestation.tees import verify
from oracle.devnet.silicon.amd import GENOA, TURIN, VCEK, VLEK
from oracle.devnet.silicon.nitro import NitroModule, Request, make_module
from oracle.devnet.silicon.quotes import QuoteForm
from scripts.vector_kinds import evidence as recorded
from scripts.vector_kinds.evidence_case import build_case
from tests.fakes import amd, arm_tokens, azure_evidence, gce, intel_evidence, tokens
from tests.fakes import tpm_evidence as tpm
from tests.fakes.azure_evidence import Case as AzureCase
from tests.fakes.x509_authority import NOW

#: Milliseconds that are good enough. A cloud's machine is a report or quote and a TPM's quote.
_TARGETS = {
    EvidenceFormat.SGX_QUOTE: "2.0",
    EvidenceFormat.TDX_QUOTE: "2.0",
    EvidenceFormat.SNP_REPORT: "2.0",
    EvidenceFormat.NITRO_DOCUMENT: "2.5",
    EvidenceFormat.AZURE_HCL: "3.0",
    EvidenceFormat.MAA_TOKEN: "1.0",
    EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN: "1.0",
    EvidenceFormat.GOOGLE_VTPM: "1.0",
    EvidenceFormat.TPM_QUOTE: "1.0",
    EvidenceFormat.CCA_TOKEN: "1.5",
    EvidenceFormat.PSA_TOKEN: "1.5",
}
_COLD_START_MS = "500"
_WARM, _TIMES, _STARTS = 5, 101, 11
_PCRS = {number: bytes((number + 1,)) * 48 for number in range(5)}


@dataclass(frozen=True, slots=True)
class _Piece:
    """Evidence that verifies."""

    name: str
    evidence: Evidence
    endorsements: Endorsements
    roots: Roots
    now: int

    def verify(self) -> None:
        """Raise unless it is genuine."""
        verify(self.evidence, self.endorsements, roots=self.roots, now=self.now)


def run() -> Iterator[Row]:
    """Every figure."""
    for piece in _generated():
        yield _measured(piece)
    vectors = os.environ.get("ORACLE_VECTORS")
    if vectors:
        for piece in _recorded(Path(vectors)):
            yield _measured(piece)
    yield _cold_start()


def _measured(piece: _Piece) -> Row:
    for _ in range(_WARM):
        piece.verify()
    seen = []
    for _ in range(_TIMES):
        begun = time.process_time_ns()
        piece.verify()
        seen.append(time.process_time_ns() - begun)
    value = Decimal(statistics.median(seen)) / 1_000_000
    target = Decimal(_TARGETS[piece.evidence.format])
    return Row(f"verify {piece.name}", value.quantize(Decimal("0.01")), "ms", target)


def _generated() -> Iterator[_Piece]:
    for form in QuoteForm:
        case = intel_evidence.Case(form.tee, intel_evidence.genuine(form))
        name = f"{form.tee.name} quote, {form.name.partition('_')[2].replace('_', ' ')}"
        yield _Piece(name, case.evidence, case.endorsements, case.trusted, case.now)
    for line, kind, name in ((GENOA, VCEK, "VCEK"), (TURIN, VCEK, "VCEK"), (GENOA, VLEK, "VLEK")):
        report = amd.snp_evidence(amd.make_report(line, signing_key=kind))
        endorsed = amd.snp_endorsements(line, kind)
        yield _Piece(
            f"SNP report, {line.name}, {name}", report, endorsed, amd.amd_roots(line), amd.AT
        )
    yield _nitro(make_module(now=NOW))
    for hardware, azure in (("SNP", AzureCase()), ("TDX", AzureCase(form=QuoteForm.TDX_V5_TD15))):
        yield _Piece(
            f"Azure machine, {hardware}",
            azure.evidence,
            azure.endorsements,
            azure_evidence.trusted(),
            azure.now,
        )
    yield from _tokens()
    yield from _tpms()
    yield from _arm()


def _nitro(module: NitroModule) -> _Piece:
    raw = module.document(_PCRS, Request(nonce=bytes(32), user_data=bytes(64)), now=NOW)
    return _Piece(
        "Nitro document",
        Evidence(EvidenceFormat.NITRO_DOCUMENT, raw),
        Endorsements(),
        Roots((Root(Anchors.AWS_NITRO, "emulated", module.root.der),)),
        int(NOW.timestamp()),
    )


def _tokens() -> Iterator[_Piece]:
    key = tokens.rsa_key()
    root = tokens.issue("root", tokens.rsa_key(4_096), is_ca=True)
    middle = tokens.issue("middle", tokens.rsa_key(), root, is_ca=True)
    leaf = tokens.issue("leaf", key, middle, may_sign=True)
    header = {"alg": "RS256", "x5c": tokens.x5c(leaf, middle, root)}
    space = EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN
    trusted = Roots((Root(Anchors.GOOGLE_CONFIDENTIAL_SPACE, "test", root.der),))
    pki = Evidence(space, tokens.sign(key, header, tokens.space_claims()))
    yield _Piece("Confidential Space token, PKI", pki, Endorsements(), trusted, tokens.NOW)
    header = {"alg": "RS256", "kid": "one"}
    oidc = Evidence(space, tokens.sign(key, header, tokens.space_claims()))
    keys = Endorsements(jwks=tokens.key_set(tokens.numbers(key, kid="one", use="sig")))
    yield _Piece("Confidential Space token, OIDC", oidc, keys, Roots(), tokens.NOW)
    maa = Evidence(EvidenceFormat.MAA_TOKEN, tokens.sign(key, header, tokens.sgx_claims()))
    entry = {"kty": "RSA", "kid": "one", "x5c": tokens.x5c(tokens.issue("provider", key))}
    keys = Endorsements(jwks=tokens.key_set(entry))
    yield _Piece("MAA token", maa, keys, Roots(), tokens.NOW)


def _tpms() -> Iterator[_Piece]:
    quote = tpm.Quoting()
    key = tpm.ec_key()
    parts = {Part.TPM_SIGNATURE: tpm.sign(key, quote.attest), Part.PCR_VALUES: quote.values}
    for name, each in (("RSA", tpm.rsa_key()), ("ECC", key)):
        signature = tpm.sign(each, quote.attest)
        pinned = {**parts, Part.TPM_SIGNATURE: signature, Part.AK_PUBLIC: tpm.pem(each)}
        yield _Piece(
            f"TPM quote, pinned {name} key",
            Evidence(EvidenceFormat.TPM_QUOTE, quote.attest, pinned),
            Endorsements(),
            Roots(keys=(PinnedKey(tpm.der(each)),)),
            amd.AT,
        )
    google = gce.virtual_tpms()
    chain = (google.certify(key), google.intermediate, google.root)
    yield _Piece(
        "Google virtual TPM's quote",
        Evidence(EvidenceFormat.GOOGLE_VTPM, quote.attest, parts),
        Endorsements(tuple(each.der for each in chain)),
        Roots((Root(Anchors.GOOGLE_VTPM, "test", google.root.der),)),
        amd.AT,
    )


def _arm() -> Iterator[_Piece]:
    machine = arm_tokens.CcaMachine()
    token = Evidence(EvidenceFormat.CCA_TOKEN, machine.token())
    trusted = arm_tokens.pinned(machine.platform_key)
    yield _Piece("CCA token", token, Endorsements(), trusted, 0)
    key = ec.generate_private_key(ec.SECP256R1())
    device = Evidence(EvidenceFormat.PSA_TOKEN, arm_tokens.psa_token(arm_tokens.PSA, key))
    yield _Piece("PSA token", device, Endorsements(), arm_tokens.pinned(key), 0)


def _recorded(vectors: Path) -> Iterator[_Piece]:
    """Recorded cases that are genuine; whether their policy is met is another matter."""
    for manifest in sorted(vectors.glob("*/manifest.json")):
        entries = json.loads(manifest.read_bytes())
        if not recorded.accepts(entries):
            continue
        for entry in entries:
            if entry["role"] != "evidence":
                continue
            vector = [other for other in entries if other["vector"] == entry["vector"]]
            case = build_case(manifest.parent, entry, vector)
            name = f"recorded {case.name.partition('.')[0]}"
            piece = _Piece(name, case.evidence, case.endorsements, case.roots, case.times[0])
            try:
                piece.verify()
            except Refusal:
                continue
            yield piece


def _cold_start() -> Row:
    """A fresh process that verifies a Nitro document, from the shell's point of view."""
    now = datetime.now(UTC)
    module = make_module(now=now)
    with tempfile.TemporaryDirectory() as folder:
        document, root = Path(folder, "document"), Path(folder, "root.pem")
        document.write_bytes(module.document(_PCRS, Request(), now=now))
        root.write_bytes(module.root.certificate.public_bytes(Encoding.PEM))
        command = [sys.executable, "-m", "oracle", "attest", "verify", str(document)]
        command += ["--root", str(root)]
        seen = []
        for _ in range(_STARTS):
            begun = time.perf_counter_ns()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seen.append((time.perf_counter_ns() - begun) / 1_000_000)
    name = "oracle attest verify, cold start"
    return row(name, statistics.median(seen), "ms", float(_COLD_START_MS), digits=0)
