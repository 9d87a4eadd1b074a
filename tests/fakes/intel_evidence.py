"""Quotes and collateral of the emulated vendor, genuine but for what a test changes."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.pcs import SignedText, parse_qe_identity
from oracle.attestation.codecs.tcb_tables import QeIdentity, TcbInfo, TcbStatus
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat, Part
from oracle.attestation.roots import Anchors, Root, Roots
from oracle.devnet.silicon.documents import make_crl, render_qe_identity, render_tcb_info
from oracle.devnet.silicon.pki import Authority, Platform, make_pck, pem_chain
from oracle.devnet.silicon.quotes import QuoteForm, raw_signature
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.vectors.dcap_parts import Parts, body_of, evidence

ISSUED_AT = datetime(2031, 6, 1, 12, tzinfo=UTC)
LIFE = timedelta(days=30)
#: When everything verifies.
NOW = int(ISSUED_AT.timestamp()) + 86_400
ENDS_AT = int((ISSUED_AT + LIFE).timestamp())
FORMATS = {TeeKind.SGX: EvidenceFormat.SGX_QUOTE, TeeKind.TDX: EvidenceFormat.TDX_QUOTE}
OLDEST = {TeeKind.SGX: QuoteForm.SGX_V3, TeeKind.TDX: QuoteForm.TDX_V4}
_QE_SIZE = 384 + 64


@cache
def vendor() -> SiliconVendor:
    """The one whose root is trusted."""
    return SiliconVendor(now=ISSUED_AT - timedelta(days=40))


def tables(tee: TeeKind) -> tuple[TcbInfo, QeIdentity]:
    """What the vendor says of its machine."""
    office = vendor().collateral
    published = office.publish(now=ISSUED_AT, number=office.number)
    info = office.tcb_info(tee, ISSUED_AT, office.number)
    return info, parse_qe_identity(published.qe_identity[tee].text)


def with_status(info: TcbInfo, status: TcbStatus, *advisories: str) -> TcbInfo:
    """The same, with another word for the level that the machine meets."""
    first, *rest = info.levels
    grade = replace(first.grade, status=status, advisories=advisories)
    return replace(info, levels=(replace(first, grade=grade), *rest))


def qe_with_status(identity: QeIdentity, status: TcbStatus) -> QeIdentity:
    """The same, with another word for the level that the quoting enclave meets."""
    first, *rest = identity.levels
    return replace(identity, levels=(replace(first, status=status), *rest))


def collateral(
    tee: TeeKind,
    *,
    info: TcbInfo | None = None,
    identity: QeIdentity | None = None,
    revoked: Sequence[int] = (),
    revoked_by_root: Sequence[int] = (),
    signer: Authority | None = None,
    **changes: str,
) -> dict[str, str]:
    """Fields as Intel's library names them.

    Args:
        tee: Whose.
        info: Other TCB information.
        identity: Of another quoting enclave.
        revoked: Serial numbers on the CA's list.
        revoked_by_root: Serial numbers on the root's list.
        signer: Who signs, by the certificate that comes along.
        changes: Fields as they are, after all that.
    """
    chain = vendor().chain
    told = tables(tee)
    by = signer or chain.tcb_signer
    documents = (render_tcb_info(info or told[0]), render_qe_identity(identity or told[1]))
    signed = [SignedText(text, raw_signature(by.key, text)) for text in documents]
    pem = pem_chain(by, chain.root).decode()
    fields = {
        "pck_crl_issuer_chain": pem_chain(chain.platform_ca, chain.root).decode(),
        "root_ca_crl": make_crl(chain.root, revoked_by_root, now=ISSUED_AT, life=LIFE * 2).hex(),
        "pck_crl": make_crl(chain.platform_ca, revoked, now=ISSUED_AT, life=LIFE).hex(),
    }
    for name, document in zip(("tcb_info", "qe_identity"), signed, strict=True):
        fields |= {
            name: document.text.decode(),
            f"{name}_signature": document.signature.hex(),
            f"{name}_issuer_chain": pem,
        }
    return fields | changes


def whole_quote(
    parts: Parts, *, pck: Authority | None = None, signer: Any = None, ca: Authority | None = None
) -> bytes:
    """A whole quote.

    Args:
        parts: What it is put together from.
        pck: The certificate in it.
        signer: The key that signs the QE report; the certificate's unless given.
        ca: The second certificate in it.
    """
    chain = vendor().chain
    leaf = pck or chain.pck
    made = evidence(parts, signer or leaf.key)
    size = len(made) - len(parts.auth) - _QE_SIZE - 128
    signed, keys, rest = made[:size], made[size : size + 128], made[size + 128 :]
    auth = struct.pack("<H", len(parts.auth)) + rest[_QE_SIZE:]
    pem = pem_chain(leaf, ca or chain.platform_ca, chain.root) + b"\0"
    certified = rest[:_QE_SIZE] + auth + certification(5, pem)
    if parts.form.version > 3:
        certified = certification(6, certified)
    data = keys + certified
    return signed + struct.pack("<I", len(data)) + data


def certification(kind: int, data: bytes) -> bytes:
    """Certification data of one type."""
    return struct.pack("<HI", kind, len(data)) + data


def other_machine(**changes: Any) -> Authority:
    """The PCK of a machine that differs from the vendor's."""
    platform: Platform = replace(vendor().platform, **changes)
    return make_pck(platform, vendor().chain.platform_ca, now=ISSUED_AT)


@dataclass(frozen=True)
class Case:
    """All that `verify` takes.

    Attributes:
        raw: The quote; the vendor's oldest form of the TEE unless given.
    """

    tee: TeeKind
    raw: bytes = b""
    fields: dict[str, str] = field(default_factory=dict)
    log: bytes | None = None
    roots: Roots | None = None
    now: int = NOW

    @property
    def evidence(self) -> Evidence:
        """The quote and the event log."""
        raw = self.raw or genuine(OLDEST[self.tee])
        parts = {} if self.log is None else {Part.EVENT_LOG: self.log}
        return Evidence(FORMATS[self.tee], raw, parts)

    @property
    def endorsements(self) -> Endorsements:
        """The collateral."""
        return Endorsements(intel=self.fields or _collateral(self.tee))

    @property
    def trusted(self) -> Roots:
        """The vendor's root."""
        return self.roots or roots_of(vendor())


def roots_of(*vendors: SiliconVendor) -> Roots:
    """Their roots as if they were Intel's."""
    return Roots(
        tuple(Root(Anchors.INTEL_SGX, "Emulated Silicon", each.chain.root.der) for each in vendors)
    )


@cache
def genuine(form: QuoteForm) -> bytes:
    """A quote with nothing wrong."""
    return whole_quote(Parts(form, body_of(form)))


@cache
def _collateral(tee: TeeKind) -> dict[str, str]:
    return collateral(tee)
