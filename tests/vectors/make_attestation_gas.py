"""Makes `attestation_gas.json`: what the gas table of attestation is measured with.

Run `scripts/gen_fixtures`. One machine of an emulated vendor, whose collateral has the size and
shape of what Intel publishes: a TCB info of 6,578 bytes and 11 levels, six levels of the quoting
enclave, 57 revoked certificates. Keys are new each time, and signatures with them, so that figures
differ by some hundreds of gas from file to file: the committed figures are of the committed file.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import coincurve

from enclave.domain.evidence import RegistrationContext, TeeKind, registration_digest, report_data
from enclave.domain.report import keccak256
from oracle.attestation.codecs.crl import parse_crl
from oracle.attestation.codecs.dcap import parse_certificate, split_quote
from oracle.attestation.codecs.dcap_hints import build_hints
from oracle.attestation.codecs.pcs import (
    SignedText,
    parse_evaluation_numbers,
    parse_qe_identity,
    parse_tcb_info,
)
from oracle.attestation.codecs.tcb_tables import PlatformLevel, SvnLevel, TcbStatus
from oracle.devnet.silicon.documents import make_crl, render_qe_identity, render_tcb_info
from oracle.devnet.silicon.quotes import QE_SVN, TEE_TCB_SVN
from oracle.devnet.silicon.vendor import SiliconVendor

FILE = Path(__file__).with_name("attestation_gas.json")
NOW = datetime(2031, 6, 1, tzinfo=UTC)
#: Issue dates: of what a registration is made with, of what extends it, of what ends it.
ISSUED = {"first": NOW, "later": NOW + timedelta(days=10), "recovered": NOW + timedelta(days=20)}
CHAIN_ID = 31_337
DEPLOYER = bytes.fromhex("d0" * 20)
OPERATOR = bytes.fromhex("0e" * 20)
HPKE_KEY = bytes.fromhex("5e" * 32)
REF_BLOCKS = (1_000_000, 1_000_050)
MEASUREMENT = bytes.fromhex("3a" * 48)
REVOKED = 57
TCB_INFO_SIZE = 6_578
#: How many advisories are open at each level of the vendor's TCB info, the first but one's first.
ADVISORIES = (1, 3, 4, 4, 6, 6, 8, 8, 10, 23)
QE_ADVISORIES = (1, 2, 3, 5, 6)
#: What the vendor says of the first four components.
LABELS = (
    '"category":"BIOS","type":"Early Microcode Update"',
    '"category":"OS/VMM","type":"SGX Late Microcode Update"',
    '"category":"OS/VMM","type":"TXT SINIT"',
    '"category":"BIOS"',
)


@dataclass(frozen=True, slots=True)
class Published:
    """All that the vendor has published at a moment."""

    root_crl: bytes
    pck_crl: bytes
    tcb_info: dict[TeeKind, SignedText]
    qe_identity: dict[TeeKind, SignedText]
    numbers: dict[TeeKind, SignedText]


def publish(vendor: SiliconVendor, at: datetime, revoked: list[int]) -> Published:
    """The vendor's collateral in the size and shape of Intel's."""
    office = vendor.collateral
    plain = office.publish(now=at)
    return Published(
        root_crl=plain.root_crl,
        pck_crl=make_crl(vendor.chain.platform_ca, revoked, now=at, life=timedelta(days=30)),
        tcb_info={tee: office.sign(_tcb_info(vendor, tee, at)) for tee in plain.tcb_info},
        qe_identity={
            tee: office.sign(_qe_identity(signed)) for tee, signed in plain.qe_identity.items()
        },
        numbers=dict(plain.numbers),
    )


def _tcb_info(vendor: SiliconVendor, tee: TeeKind, at: datetime) -> bytes:
    """Eleven levels for SGX, three for TDX, labelled; the first is the office's own."""
    info = vendor.collateral.tcb_info(tee, at, vendor.collateral.number)
    own = info.levels
    step = count(1)
    older = ADVISORIES if tee is TeeKind.SGX else ADVISORIES[:2]
    levels = [
        PlatformLevel(
            bytes((own[-1].sgx[0] - next(step), *own[-1].sgx[1:])),
            TEE_TCB_SVN if tee is TeeKind.TDX else bytes(16),
            _grade(info.levels[0].grade, advisories),
        )
        for advisories in older[len(own) - 1 :]
    ]
    text = render_tcb_info(replace(info, levels=(*own, *levels))).decode()
    head, *rest = text.split('"sgxtcbcomponents":[')
    text = '"sgxtcbcomponents":['.join((head, *map(_labelled, rest)))
    if tee is TeeKind.SGX:
        # A longer name of the first component makes up for shorter dates and names elsewhere.
        text = text.replace("Early", "Early" + " " * (TCB_INFO_SIZE - len(text)), 1)
    return text.encode()


def _labelled(components: str) -> str:
    """The first four components with what the vendor says of them."""
    parts = components.split("},", len(LABELS))
    labelled = [f"{part},{label}" for part, label in zip(parts, LABELS, strict=False)]
    return "},".join((*labelled, parts[-1]))


def _qe_identity(signed: SignedText) -> bytes:
    """Six levels."""
    identity = parse_qe_identity(signed.text)
    newest = identity.levels[0]
    older = [
        replace(_grade(newest, advisories), svn=QE_SVN - 1 - index)
        for index, advisories in enumerate(QE_ADVISORIES)
    ]
    return render_qe_identity(replace(identity, levels=(newest, *older)))


def _grade(newest: SvnLevel, advisories: int) -> SvnLevel:
    names = tuple(f"INTEL-SA-{100 + number:05}" for number in range(advisories))
    return replace(newest, status=TcbStatus.OUT_OF_DATE, advisories=names)


def registrations(
    vendor: SiliconVendor, published: dict[str, Published]
) -> Iterator[tuple[str, dict[str, object]]]:
    """Registrations of one signer at two heights on both TEEs, for a registry known ahead."""
    key = coincurve.PrivateKey(keccak256(b"signer of the gas table"))
    signer = keccak256(key.public_key.format(compressed=False)[1:])[12:]
    # RLP of [deployer, 0]: a list of 22 bytes, a string of 20, the empty string.
    registry = keccak256(b"\xd6\x94" + DEPLOYER + b"\x80")[12:]
    for tee in (TeeKind.SGX, TeeKind.TDX):
        for index, height in enumerate(REF_BLOCKS):
            block_hash = keccak256(height.to_bytes(32, "big"))
            context = RegistrationContext(CHAIN_ID, registry, OPERATOR, height, block_hash)
            digest = registration_digest(context, hpke_public_key=HPKE_KEY)
            raw = key.sign_recoverable(digest, hasher=None)
            data = report_data(context, signer=signer, hpke_public_key=HPKE_KEY)
            quote = split_quote(vendor.quote(tee, measurement=MEASUREMENT, report_data=data))
            hints = {
                name: build_hints(
                    quote,
                    parse_tcb_info(at.tcb_info[tee].text),
                    parse_qe_identity(at.qe_identity[tee].text),
                    parse_evaluation_numbers(at.numbers[tee].text),
                ).packed
                for name, at in published.items()
            }
            yield (
                f"{tee.name.lower()}{index}",
                {
                    "tee": int(tee),
                    "registry": registry,
                    "signer": signer,
                    "refBlock": height,
                    "refBlockHash": block_hash,
                    "signature": raw[:32] + bytes((raw[32] | raw[64] << 7,)) + raw[33:64],
                    "imageId": quote.image_id,
                    "evidence": quote.evidence,
                    "hints": hints,
                },
            )


def make() -> dict[str, object]:
    """The whole file, before its bytes become text."""
    vendor = SiliconVendor(now=NOW - timedelta(days=30))
    chain = vendor.chain
    revoked = [int.from_bytes(keccak256(bytes((i,)))[:20], "big") >> 1 for i in range(REVOKED)]
    published = {name: publish(vendor, ISSUED[name], revoked) for name in ("first", "later")}
    vendor.collateral.recover_tcb(now=ISSUED["recovered"])
    published["recovered"] = publish(vendor, ISSUED["recovered"], revoked)
    own = chain.pck.certificate.serial_number
    evicting = make_crl(
        chain.platform_ca, [*revoked, own], now=ISSUED["later"], life=timedelta(days=30)
    )
    return {
        "chainId": CHAIN_ID,
        "deployer": DEPLOYER,
        "operator": OPERATOR,
        "hpkePublicKey": HPKE_KEY,
        "issuedAt": {name: int(at.timestamp()) for name, at in ISSUED.items()},
        "root": chain.root.der,
        "signerName": chain.tcb_signer.name_hash,
        "signer": chain.tcb_signer.der,
        "signerId": parse_certificate(chain.tcb_signer.der).id,
        "ca": chain.platform_ca.der,
        "caId": parse_certificate(chain.platform_ca.der).id,
        "pck": chain.pck.der,
        "collateral": {name: _described(at) for name, at in published.items()},
        "evicting": {"pckCrl": evicting, "serials": parse_crl(evicting).table},
        "registration": dict(registrations(vendor, published)),
    }


def _described(published: Published) -> dict[str, object]:
    texts = {
        "tcbInfo": published.tcb_info,
        "qeIdentity": published.qe_identity,
        "numbers": published.numbers,
    }
    return {
        "rootCrl": published.root_crl,
        "pckCrl": published.pck_crl,
        "serials": parse_crl(published.pck_crl).table,
    } | {
        name: {
            tee.name.lower(): {
                "text": signed.text,
                "r": signed.signature[:32],
                "s": signed.signature[32:],
            }
            for tee, signed in by_tee.items()
        }
        for name, by_tee in texts.items()
    }


def _as_json(value: object) -> object:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, dict):
        return {name: _as_json(item) for name, item in value.items()}
    return value


def main() -> None:
    """Write the file."""
    FILE.write_text(json.dumps(_as_json(make()), indent=1) + "\n")
    sys.stdout.write(f"wrote {FILE.name}\n")


if __name__ == "__main__":
    main()
