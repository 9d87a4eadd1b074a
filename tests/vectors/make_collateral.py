"""Makes `collateral*.json`: what an emulated vendor signs about its platforms, well and ill made.

Run `scripts/gen_fixtures`. Keys are new each time, so the bytes are too; the tests take every value
from the file. What `IntelCollateral` must keep is written by the Python codecs beside each
document. Each refused variant is genuine but for the one thing that its name says.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.crl import parse_crl
from oracle.attestation.codecs.dcap import parse_certificate
from oracle.attestation.codecs.pcs import (
    SignedText,
    parse_evaluation_numbers,
    parse_qe_identity,
    parse_tcb_info,
)
from oracle.attestation.codecs.tcb_tables import PlatformLevel, TcbInfo, TcbStatus, TdxModule
from oracle.devnet.silicon.collateral import LIFE
from oracle.devnet.silicon.documents import make_crl, render_tcb_info
from oracle.devnet.silicon.pki import CA_LIFE, Authority
from oracle.devnet.silicon.quotes import raw_signature
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.vectors.dcap_certificates import NOW, extension, reissue, set_field, usage
from tests.vectors.make_dcap import CHAIN_ID, as_json

FOLDER = Path(__file__).parent
DAY = timedelta(days=1)
#: What the contract takes at most.
MAX_JSON = 32_768
MAX_ROOT_CRL = 4_096
MAX_PCK_CRL = 49_152
MAX_LEVELS = 64
MAX_MODULES = 16
#: Days after `NOW` of what the timeline's documents were issued on.
DAYS = (0, 1, 2, 5)
#: Serial numbers of certificates that nobody has.
STRAYS = (1, 2**64 + 7, 2**158 - 1)
_LABELLED = b'{"svn":3,"category":"BIOS","type":"Early Microcode Update"}'


def described(authority: Authority) -> dict[str, object]:
    """A certificate and what is kept of it."""
    x, y = (one.to_bytes(32, "big") for one in authority.coordinates)
    return {
        "x": x,
        "y": y,
        "nameHash": authority.name_hash,
        "notAfter": authority.not_after,
        **named(authority.der),
    }


def named(der: bytes) -> dict[str, object]:
    """A certificate, its id and its serial number."""
    serial = x509.load_der_x509_certificate(der).serial_number
    return {
        "certificate": der,
        "id": parse_certificate(der).id,
        "serial": serial.to_bytes(20, "big"),
    }


def crl(
    issuer: Authority,
    serials: tuple[int, ...] = (),
    *,
    at: datetime = NOW,
    life: timedelta = LIFE,
    number: int = 1,
) -> dict[str, object]:
    """A list and what is kept of it."""
    der = make_crl(issuer, serials, now=at, life=life, number=number)
    parsed = parse_crl(der)
    return {
        "der": der,
        "digest": parsed.digest,
        "number": number,
        "issuedAt": parsed.this_update,
        "validUntil": parsed.next_update,
        "serials": parsed.table,
    }


def crls(issuer: Authority, serial: int, *others: Authority) -> dict[str, dict[str, object]]:
    """Lists of one issuer, sound and ill; others have other keys."""
    renamed = replace(issuer, key=others[0].key)
    return {
        "first": crl(issuer, at=NOW - 3 * DAY),
        "second": crl(issuer, (STRAYS[0],), at=NOW - 2 * DAY, number=7),
        "sameNumber": crl(issuer, (STRAYS[0],), at=NOW - DAY, number=7),
        "lowerNumber": crl(issuer, (STRAYS[0],), at=NOW - DAY, number=6),
        "revoking": crl(issuer, (serial, *STRAYS), at=NOW - DAY, number=7),
        "forgetting": crl(issuer, at=NOW, number=7),
        "ended": crl(issuer, at=NOW - LIFE - timedelta(seconds=1)),
        "ending": crl(issuer, at=NOW - LIFE),
        "future": crl(issuer, at=NOW + timedelta(seconds=1)),
        "outliving": crl(issuer, at=NOW, life=3 * CA_LIFE),
        "otherKey": crl(renamed),
        "otherIssuer": crl(others[0]),
    }


def largest_crl(issuer: Authority, most: int) -> bytes:
    """The longest list of at most so many bytes."""

    def made(count: int) -> bytes:
        return make_crl(issuer, range(2**158, 2**158 + count), now=NOW, life=LIFE)

    # Signatures differ in length by some bytes, entries of such serial numbers do not.
    entry = round((len(made(50)) - len(made(0))) / 50)
    return made((most - len(made(0)) - 8) // entry)


def refused_authorities(vendor: SiliconVendor) -> dict[str, bytes]:
    """Certificates of the root that are neither a CA of the profile nor a TCB signer."""
    chain = vendor.chain
    key, ca, signer = chain.root.key, chain.platform_ca.certificate, chain.tcb_signer.certificate
    second = timedelta(seconds=1)
    constraints = x509.BasicConstraints
    stranger = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Stranger")])
    return {
        "leaf": chain.pck.der,
        "root": chain.root.der,
        "pathLength1": reissue(ca, key, replaced=(extension(constraints(True, 1)),)),
        "noPathLength": reissue(ca, key, replaced=(extension(constraints(True, None)),)),
        "noCrlSign": reissue(ca, key, replaced=(usage(sign=False, cert_sign=True),)),
        "noCertSign": reissue(ca, key, replaced=(usage(sign=True, cert_sign=False),)),
        "noKeyUsage": reissue(ca, key, without=frozenset({"2.5.29.15"})),
        "notCa": reissue(ca, key, replaced=(extension(constraints(False, None)),)),
        "caSigner": reissue(signer, key, replaced=(extension(constraints(True, 0)),)),
        "certSigner": reissue(signer, key, replaced=(usage(sign=True, cert_sign=True),)),
        "noSigner": reissue(signer, key, replaced=(usage(sign=False, cert_sign=False),)),
        "otherSubject": reissue(signer, key, edit=set_field("_subject_name", stranger)),
        "otherIssuer": reissue(signer, key, edit=set_field("_issuer_name", stranger)),
        "otherKey": reissue(signer, chain.tcb_signer.key),
        "endedCa": reissue(ca, key, edit=set_field("_not_valid_after", NOW - second)),
        "endedSigner": reissue(signer, key, edit=set_field("_not_valid_after", NOW - second)),
        "laterSigner": reissue(signer, key, edit=set_field("_not_valid_before", NOW + second)),
    }


def accepted_authorities(vendor: SiliconVendor) -> dict[str, dict[str, object]]:
    """Certificates of the root that differ from the first ones and are sound."""
    chain = vendor.chain
    key, ca, signer = chain.root.key, chain.platform_ca.certificate, chain.tcb_signer.certificate
    return {
        # Of the same key as the first: what one signed, the other did.
        "signer": named(reissue(signer, key)),
        "endingSigner": named(reissue(signer, key, edit=set_field("_not_valid_after", NOW))),
        "beginningSigner": named(reissue(signer, key, edit=set_field("_not_valid_before", NOW))),
        "outlivingCa": named(
            reissue(ca, key, edit=set_field("_not_valid_after", NOW + 3 * CA_LIFE))
        ),
        "endingCa": named(reissue(ca, key, edit=set_field("_not_valid_after", NOW + DAY))),
    }


def roots(vendor: SiliconVendor) -> dict[str, bytes]:
    """Roots that begin later, and that name another issuer."""
    root = vendor.chain.root
    second = timedelta(seconds=1)
    return {
        "later": reissue(
            root.certificate, root.key, edit=set_field("_not_valid_before", NOW + second)
        ),
        "beginning": reissue(root.certificate, root.key, edit=set_field("_not_valid_before", NOW)),
    }


def rich(info: TcbInfo) -> TcbInfo:
    """A TCB info with every status, and with advisories of every shape."""
    first = info.levels[0]
    shapes = ((), ("INTEL-SA-00001",), ("INTEL-SA-00615", "INTEL-SA-00657"), ("INTEL-DOC-7", "A"))
    levels = tuple(
        PlatformLevel(
            bytes((max(200 - 33 * index, 0), index)) + first.sgx[2:],
            first.tdx,
            replace(
                first.grade,
                status=status,
                svn=first.grade.svn + 1000 - index,
                advisories=shapes[index % 4],
            ),
        )
        for index, status in enumerate(takewhile(lambda one: one <= TcbStatus.REVOKED, TcbStatus))
    )
    return replace(info, levels=levels)


def document(kind: int, signed: SignedText) -> dict[str, object]:
    """A signed text, and what the codec makes of it. Kinds: TCB info, QE identity, numbers."""
    parse: Callable[[bytes], Any] = (parse_tcb_info, parse_qe_identity, parse_evaluation_numbers)[
        kind - 1
    ]
    parsed = parse(signed.text)
    made: dict[str, object] = {
        "text": signed.text,
        "r": signed.signature[:32],
        "s": signed.signature[32:],
        "kind": kind,
        "tee": int(parsed.tee),
        "digest": parsed.digest,
        "issuedAt": parsed.issued_at,
        "validUntil": parsed.next_update,
        "number": 0 if kind == 3 else parsed.number,
    }
    if kind == 3:
        return made | {"entries": parsed.table}
    made["levels"] = b"".join(level.packed for level in parsed.levels)
    if kind == 2:
        return made | {"identity": parsed.identity}
    modules = b"".join(module.packed for module in parsed.modules)
    return made | {"fmspc": parsed.fmspc, "pceId": parsed.pce_id, "modules": modules}


def documents(vendor: SiliconVendor) -> dict[str, dict[str, object]]:
    """One document of each kind for each TEE, and TCB infos with all that they can have."""
    office = vendor.collateral
    published = office.publish(now=NOW - DAY)
    found = {}
    for tee in (TeeKind.SGX, TeeKind.TDX):
        name = tee.name.lower()
        found[f"{name}Tcb"] = document(1, published.tcb_info[tee])
        found[f"{name}Qe"] = document(2, published.qe_identity[tee])
        found[f"{name}Numbers"] = document(3, published.numbers[tee])
        text = render_tcb_info(rich(office.tcb_info(tee, NOW - DAY, office.number)))
        labelled = text.replace(b'{"svn":3}', _LABELLED, 1)
        found[f"{name}Rich"] = document(1, office.sign(labelled))
    return found


def largest(vendor: SiliconVendor) -> dict[str, object]:
    """Lists and TCB infos near the longest that are taken: of platform levels, of modules."""
    office = vendor.collateral
    info = office.tcb_info(TeeKind.TDX, NOW, office.number)
    grade = replace(info.levels[0].grade, svn=65_535)
    level = PlatformLevel(b"\xff" * 16, b"\xff" * 16, grade)
    most = max(
        count for count in range(1, MAX_LEVELS) if _size(_levels(info, level, count)) < MAX_JSON
    )
    spare = MAX_JSON - _size(_levels(info, level, most)) - len(b',"advisoryIDs":[""]')
    padded = replace(level, grade=replace(grade, advisories=("A" * spare,)))
    many = max(count for count in range(1, MAX_LEVELS) if _size(_modules(info, count)) <= MAX_JSON)
    levels = replace(info, levels=(padded, *(level,) * (most - 1)))
    return {
        "rootCrl": largest_crl(vendor.chain.root, MAX_ROOT_CRL),
        "pckCrl": largest_crl(vendor.chain.platform_ca, MAX_PCK_CRL),
        "levels": document(1, office.sign(render_tcb_info(levels))),
        "modules": document(1, office.sign(render_tcb_info(_modules(info, many)))),
    }


def _size(info: TcbInfo) -> int:
    return len(render_tcb_info(info))


def _levels(info: TcbInfo, level: PlatformLevel, count: int) -> TcbInfo:
    return replace(info, levels=(level,) * count)


def _modules(info: TcbInfo, levels: int) -> TcbInfo:
    identities = tuple(
        TdxModule(number, bytes(48), bytes(8), b"\xff" * 8, info.modules[0].levels * levels)
        for number in range(1, MAX_MODULES + 1)
    )
    return replace(info, modules=(*identities, info.modules[-1]))


def timeline(vendor: SiliconVendor, stranger: ec.EllipticCurvePrivateKey) -> dict[str, object]:
    """What may be brought in any order: as issued over some days, and signed by a stranger."""
    office, chain = vendor.collateral, vendor.chain
    signer = chain.tcb_signer.certificate.serial_number
    listed = [(), (STRAYS[0],), (STRAYS[1], signer), STRAYS]
    roots_: list[object] = []
    pcks: list[object] = []
    texts: list[dict[str, Any]] = []
    for index, day in enumerate(DAYS):
        at = NOW + day * DAY
        for number, serials in ((1 + index, ()), (1, listed[index])):
            later = at + timedelta(hours=len(roots_))
            roots_.append(crl(chain.root, serials, at=later, life=20 * DAY, number=number))
            pcks.append(crl(chain.platform_ca, serials, at=later, number=number))
        texts += list(_issued(vendor, at))
    forged = [raw_signature(stranger, one["text"]) for one in texts]
    signed = [
        one | {"forgedR": raw[:32], "forgedS": raw[32:]}
        for one, raw in zip(texts, forged, strict=True)
    ]
    return {"rootCrls": roots_, "pckCrls": pcks, "documents": signed, "number": office.number}


def _issued(vendor: SiliconVendor, at: datetime) -> Iterator[dict[str, object]]:
    office = vendor.collateral
    newest, older = (office.publish(now=at, number=office.number - back) for back in (0, 1))
    for published in (newest, older):
        yield document(1, published.tcb_info[TeeKind.SGX])
        yield document(2, published.qe_identity[TeeKind.SGX])
    yield document(3, newest.numbers[TeeKind.SGX])


def make() -> dict[str, dict[str, object]]:
    """The files by their names, before their bytes become text; what is long lies apart."""
    vendor = SiliconVendor(now=NOW - 40 * DAY)
    vendor.collateral.recover_tcb(now=NOW - 10 * DAY)
    chain, other = vendor.chain, SiliconVendor(now=NOW - 40 * DAY).chain
    signer = chain.tcb_signer
    parts = {
        "now": int(NOW.timestamp()),
        "chainId": CHAIN_ID,
        "root": described(chain.root),
        "signer": described(signer),
        # With it the tests sign texts of their own: nothing but this file trusts the root.
        "signerKey": signer.key.private_numbers().private_value.to_bytes(32, "big"),
        "ca": described(chain.platform_ca),
        "pck": named(chain.pck.der),
        "strays": b"".join(stray.to_bytes(20, "big") for stray in STRAYS),
        "roots": roots(vendor),
        "accepted": accepted_authorities(vendor),
        "refused": refused_authorities(vendor),
        "foreign": {"ca": other.platform_ca.der, "signer": other.tcb_signer.der},
        "rootCrls": crls(chain.root, signer.certificate.serial_number, chain.platform_ca),
        "pckCrls": crls(chain.platform_ca, chain.pck.certificate.serial_number, chain.root),
        "documents": documents(vendor),
    }
    return {
        "collateral": parts,
        "collateral_largest": largest(vendor),
        "collateral_timeline": timeline(vendor, other.tcb_signer.key),
    }


def _written(value: object) -> object:
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {name: _written(item) for name, item in value.items()}
    return as_json(value)


def main() -> None:
    """Write the files."""
    for name, parts in make().items():
        (FOLDER / f"{name}.json").write_text(json.dumps(_written(parts), indent=1) + "\n")
        sys.stdout.write(f"wrote {name}.json\n")


if __name__ == "__main__":
    main()
