"""Makes what the tests in Solidity read: quotes, certificates, collateral and ill-made variants.

Run `scripts/gen_fixtures`; it writes `dcap.json` and `dcap_cases.json`. Keys are new each time, so
the bytes are too; the tests take every value from the files. Each refused variant is genuine but
for the one thing that its name says, signed anew by the emulated vendor, so that the step under
test is the only one that can refuse it.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import coincurve
from cryptography.hazmat.primitives.asymmetric import ec

from enclave.domain.evidence import (
    TD15_BODY_SIZE,
    RegistrationContext,
    TeeKind,
    image_id,
    registration_digest,
    report_data,
)
from enclave.domain.report import keccak256
from oracle.attestation.codecs.dcap import parse_certificate
from oracle.attestation.codecs.pck import parse_machine
from oracle.attestation.codecs.tcb_tables import TcbStatus
from oracle.devnet.silicon import quotes
from oracle.devnet.silicon.pki import Authority, sgx_extension
from oracle.devnet.silicon.quotes import QuoteForm
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.vectors import dcap_cases
from tests.vectors.dcap_certificates import (
    NOW,
    accepted_cas,
    accepted_pcks,
    refused_pcks,
    refused_root,
)
from tests.vectors.dcap_collateral import PCESVN, described, tables
from tests.vectors.dcap_parts import Parts, body_of, evidence, sgx_body, tdx_body

FILE = Path(__file__).with_name("dcap.json")
#: The cases of appraisal, apart: forge reads a file anew for each value of it.
CASES = Path(__file__).with_name("dcap_cases.json")
CHAIN_ID = 31_337
DEPLOYER = bytes.fromhex("d0" * 20)
OPERATOR = bytes.fromhex("0e" * 20)
REF_BLOCKS = (1_000_000, 1_000_050)


def with_bits(form: QuoteForm, at: int, bits: int) -> Parts:
    """The test image with some bits of one byte of its body toggled."""
    body = bytearray(body_of(form))
    body[at] ^= bits
    return Parts(form, bytes(body))


def accepted_quotes() -> dict[str, Parts]:
    """A quote in each of the forms, and one of a TD whose module was updated while it ran."""
    data = bytes(range(64))
    found = {form.name: Parts(form, body_of(form, data=data)) for form in QuoteForm}
    td15 = QuoteForm.TDX_V5_TD15
    updated = body_of(td15, data=data, module=quotes.UPDATED_MODULE)
    return found | {"RELAUNCH": Parts(td15, updated)}


def refused_forms(pck: ec.EllipticCurvePrivateKey) -> dict[str, dict[str, bytes]]:
    """For each form what a body must not say, by the attribute; the byte is the attribute's."""
    sgx = {"debug": (48, 0x02), "provision": (48, 0x10), "initToken": (48, 0x20), "init": (48, 1)}
    # TDATTRIBUTES begin at byte 120, MRSERVICETD of a TD 1.5 body at byte 600.
    tdx = {"debug": (120, 0x01), "septVeDisable": (123, 0x10), "migratable": (123, 0x20)}
    service = {"serviceHigh": (600, 0x01), "serviceLow": (647, 0x01)}
    found: dict[str, dict[str, bytes]] = {}
    for form in QuoteForm:
        wrong = sgx if form.tee is TeeKind.SGX else tdx
        if form.body_size == TD15_BODY_SIZE:
            wrong = wrong | service
        found[form.name] = {
            name: evidence(with_bits(form, *where), pck) for name, where in wrong.items()
        }
    return found


def refused_evidence(pck: ec.EllipticCurvePrivateKey) -> dict[str, bytes]:
    """Variants that a verifier must refuse, by what is wrong with them."""
    sgx, tdx = Parts(QuoteForm.SGX_V3, sgx_body()), Parts(QuoteForm.TDX_V4, tdx_body())
    variants = {
        "sgxDebug": replace(sgx, body=sgx_body(b"\x07" + quotes.ENCLAVE_ATTRIBUTES[1:])),
        "sgxProvision": replace(sgx, body=sgx_body(b"\x15" + quotes.ENCLAVE_ATTRIBUTES[1:])),
        "sgxInitToken": replace(sgx, body=sgx_body(b"\x25" + quotes.ENCLAVE_ATTRIBUTES[1:])),
        "sgxNotInitialised": replace(sgx, body=sgx_body(b"\x04" + quotes.ENCLAVE_ATTRIBUTES[1:])),
        "tdxDebug": replace(tdx, body=tdx_body(b"\x01" + quotes.TD_ATTRIBUTES[1:])),
        "tdxTestUnderDebug": replace(tdx, body=tdx_body(b"\x80" + quotes.TD_ATTRIBUTES[1:])),
        "qeReportData": replace(sgx, bind_other_key=True),
        "qeReportDataTail": replace(sgx, binding_tail=bytes(31) + b"\x01"),
        "qeVendor": replace(sgx, vendor_id=bytes(16)),
        "authTooLong": replace(sgx, auth=bytes(1025)),
    }
    return {name: evidence(parts, pck) for name, parts in variants.items()}


def registrations(office: dcap_cases.Office) -> Iterator[tuple[str, dict[str, object]]]:
    """Registrations of one signer at two heights and on both TEEs, for a registry known ahead.

    Two more are of what a policy must refuse: a machine whose level is revoked, and another enclave
    of the same author.
    """
    pck, revoked = office.chain.pck, office.machines[f"pcesvn{PCESVN + 1 - TcbStatus.REVOKED}"]
    first, second = REF_BLOCKS
    yield "sgx0", _registration(office, pck, first, sgx_body)
    yield "sgx1", _registration(office, pck, second, sgx_body)
    yield "tdx0", _registration(office, pck, first, tdx_body)
    yield "tdx1", _registration(office, pck, second, tdx_body)
    yield "sgxRevoked", _registration(office, revoked, first, sgx_body)
    yield "sgxOther", _registration(office, pck, first, _other_enclave)


def _registration(
    office: dcap_cases.Office, pck: Authority, height: int, make_body: Callable[..., bytes]
) -> dict[str, object]:
    tee = TeeKind.TDX if make_body is tdx_body else TeeKind.SGX
    key = coincurve.PrivateKey(hashlib.sha256(b"signer for tests").digest())
    signer = keccak256(key.public_key.format(compressed=False)[1:])[12:]
    hpke = hashlib.sha256(b"hpke for tests").digest()
    # RLP of [deployer, 0]: a list of 22 bytes, a string of 20, the empty string.
    registry = keccak256(b"\xd6\x94" + DEPLOYER + b"\x80")[12:]
    context = RegistrationContext(
        CHAIN_ID, registry, OPERATOR, height, keccak256(height.to_bytes(32, "big"))
    )
    digest = registration_digest(context, hpke_public_key=hpke)
    raw = key.sign_recoverable(digest, hasher=None)
    data = report_data(context, signer=signer, hpke_public_key=hpke)
    parts = Parts(QuoteForm.oldest(tee), make_body(data=data))
    made = evidence(parts, pck.key)
    return {
        "deployer": DEPLOYER,
        "registry": registry,
        "signer": signer,
        "operator": OPERATOR,
        "hpkePublicKey": hpke,
        "refBlock": height,
        "refBlockHash": context.block_hash,
        "signature": raw[:32] + bytes((raw[32] | raw[64] << 7,)) + raw[33:64],
        "imageId": image_id(tee, parts.body),
        "reportData": data,
        "evidence": made,
        "hints": office.hints(parts, made, pck),
        "certificate": pck.der,
    }


def _other_enclave(data: bytes) -> bytes:
    """The test image with another MRENCLAVE, all else the same."""
    body = sgx_body(data=data)
    return body[:64] + hashlib.sha256(b"another enclave").digest() + body[96:]


def make() -> tuple[dict[str, object], dict[str, object]]:
    """Both files, before their bytes become text."""
    vendor = SiliconVendor(now=NOW - timedelta(days=30))
    other = SiliconVendor(now=NOW - timedelta(days=30))
    chain, platform = vendor.chain, vendor.platform
    root, ca, pck = chain.root, chain.platform_ca, chain.pck
    at = int(NOW.timestamp())
    machines = dcap_cases.machines(chain, platform)
    by_tee = {tee: tables(tee, platform, at=at) for tee in (TeeKind.SGX, TeeKind.TDX)}
    office = dcap_cases.Office(chain, machines, by_tee)
    machine = parse_machine(pck.certificate, ca_id=parse_certificate(ca.der).id)
    cases: dict[str, object] = {
        "machines": {name: each.der for name, each in machines.items()},
        "appraised": dcap_cases.appraised(office),
        "refusedAppraisal": dcap_cases.refused_evidence(office),
        "refusedHints": dcap_cases.refused_hints(office),
    }
    quoted = {name: (parts, evidence(parts, pck.key)) for name, parts in accepted_quotes().items()}
    made: dict[str, object] = {
        "now": at,
        "chainId": CHAIN_ID,
        "root": _described(root),
        "refusedRoot": refused_root(ca, root),
        "ca": _described(ca),
        "acceptedCa": accepted_cas(ca, root),
        "pck": _described(pck)
        | {"ppid": platform.ppid, "fmspc": platform.fmspc, "pckId": machine.pck_id},
        "acceptedPck": accepted_pcks(pck, ca),
        "refusedPck": refused_pcks(pck, ca, root) | {"foreign": other.chain.pck.der},
        "sgxExtension": sgx_extension(platform),
        "collateral": described(chain, platform, NOW),
        "registration": dict(registrations(office)),
        "quotes": {
            name: {
                "evidence": made,
                "imageId": image_id(parts.form.tee, parts.body),
                "reportData": bytes(range(64)),
            }
            for name, (parts, made) in quoted.items()
        },
        "hints": {name: office.hints(*each, pck) for name, each in quoted.items()},
        "foreignEvidence": evidence(Parts(QuoteForm.SGX_V3, sgx_body()), other.chain.pck.key),
        "emptyAuth": evidence(Parts(QuoteForm.SGX_V3, sgx_body(), auth=b""), pck.key),
        # ICSSD, LASS, PKS and PERFMON besides SEPT_VE_DISABLE.
        "freeAttributes": evidence(
            Parts(QuoteForm.TDX_V4, tdx_body(bytes.fromhex("0000015800000080"))), pck.key
        ),
        "refusedEvidence": refused_evidence(pck.key),
        "refusedForms": refused_forms(pck.key),
    }
    return made, cases


def _described(authority: Authority) -> dict[str, object]:
    return {
        "certificate": authority.der,
        "id": parse_certificate(authority.der).id,
        "x": authority.coordinates[0].to_bytes(32, "big"),
        "y": authority.coordinates[1].to_bytes(32, "big"),
        "nameHash": authority.name_hash,
        "notAfter": authority.not_after,
    }


def as_json(value: object) -> object:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, dict):
        return {name: as_json(item) for name, item in value.items()}
    return value


def main() -> None:
    """Write the files."""
    for file, content in zip((FILE, CASES), make(), strict=True):
        file.write_text(json.dumps(as_json(content), indent=1) + "\n")
        sys.stdout.write(f"wrote {file.name}\n")


if __name__ == "__main__":
    main()
