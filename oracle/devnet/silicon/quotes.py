"""Quotes of the emulated vendor, in the exact formats: SGX versions 3 to 5, TDX versions 4 and 5.

Integers in quotes are little-endian.

Reference: Intel SGX ECDSA QuoteLib reference, tables 2 to 8 (version 3); Intel TDX DCAP Quoting
Library API, appendix 3 (versions 4 and 5).
"""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from enclave.domain.evidence import (
    REPORT_DATA_SIZE,
    SGX_BODY_SIZE,
    TD15_BODY_SIZE,
    TDX_BODY_SIZE,
    TeeKind,
)
from oracle.devnet.silicon.pki import Chain, Platform

MEASUREMENT_SIZE = 48
#: The quoting enclaves' vendor id; verifiers look for Intel's in every ECDSA quote.
QE_VENDOR_ID = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
#: Preimage: the label in the call. The vendor's own value is the digest of its enclave signing key.
QE_MRSIGNER = hashlib.sha256(b"emulated quoting enclave signer").digest()
QE_MRENCLAVE = hashlib.sha256(b"emulated quoting enclave").digest()
QE_SVN = 8
#: Product ids as the vendor's: 1 for the SGX quoting enclave, 2 for the TDX one.
QE_PRODUCT = {TeeKind.SGX: 1, TeeKind.TDX: 2}
#: INIT, MODE64BIT and PROVISION_KEY, with legacy XFRM.
QE_ATTRIBUTES = bytes.fromhex("1500000000000000e700000000000000")
#: INIT and MODE64BIT, with legacy XFRM.
ENCLAVE_ATTRIBUTES = bytes.fromhex("0500000000000000e700000000000000")
ENCLAVE_MRSIGNER = hashlib.sha256(b"emulated enclave signer").digest()
#: SEPT_VE_DISABLE (bit 28) and nothing else.
TD_ATTRIBUTES = bytes.fromhex("0000001000000000")
TD_XFAM = bytes.fromhex("e702060000000000")
MRSEAM = hashlib.sha384(b"emulated TDX module").digest()
TEE_TCB_SVN = bytes.fromhex("05000600000000000000000000000000")
#: TDX module 1, before and after its update under a running trust domain.
LAUNCH_TEE_TCB_SVN = bytes.fromhex("02010600000000000000000000000000")
UPDATED_TEE_TCB_SVN = bytes.fromhex("05010600000000000000000000000000")

_ECDSA_P256 = 2
_CERT_PEM_CHAIN = 5
_CERT_QE_REPORT = 6
_TEE_TYPE = {TeeKind.SGX: 0x00, TeeKind.TDX: 0x81}


class QuoteForm(Enum):
    """The forms of quotes: TEE, version, size of the report body, and in version 5 its type."""

    SGX_V3 = (TeeKind.SGX, 3, SGX_BODY_SIZE, None)
    SGX_V4 = (TeeKind.SGX, 4, SGX_BODY_SIZE, None)
    SGX_V5 = (TeeKind.SGX, 5, SGX_BODY_SIZE, 1)
    TDX_V4 = (TeeKind.TDX, 4, TDX_BODY_SIZE, None)
    TDX_V5_TD10 = (TeeKind.TDX, 5, TDX_BODY_SIZE, 2)
    TDX_V5_TD15 = (TeeKind.TDX, 5, TD15_BODY_SIZE, 3)

    def __init__(self, tee: TeeKind, version: int, body_size: int, body_type: int | None) -> None:
        """Name the parts of the value."""
        self.tee = tee
        self.version = version
        self.body_size = body_size
        self.body_type = body_type

    @classmethod
    def oldest(cls, tee: TeeKind) -> "QuoteForm":
        """What drivers in the field make.

        Raises:
            ValueError: The vendor has no quotes for this TEE.
        """
        for form in cls:
            if form.tee is tee:
                return form
        raise ValueError(f"no quotes for {tee.name}, wanted SGX or TDX")

    def head(self, *, qe_svn: int, pce_svn: int, vendor_id: bytes, user_data: bytes) -> bytes:
        """Header, and in version 5 type and size of the body.

        Args:
            qe_svn: Version 3 alone has it; later ones have reserved zeros there.
            pce_svn: Likewise.
            vendor_id: 16 bytes.
            user_data: 20 bytes.
        """
        svns = (qe_svn, pce_svn) if self.version == 3 else (0, 0)
        head = struct.pack("<HHIHH", self.version, _ECDSA_P256, _TEE_TYPE[self.tee], *svns)
        head += _sized(vendor_id, 16) + _sized(user_data, 20)
        if self.body_type is None:
            return head
        return head + struct.pack("<HI", self.body_type, self.body_size)


@dataclass(frozen=True, slots=True)
class ModuleVersions:
    """TEE_TCB_SVN, 16 bytes each: of the TDX module that a TD began with, and of the present one.

    A TD 1.0 report shows the first alone.
    """

    launch: bytes
    present: bytes


#: The module is the one that the TD began with.
SAME_MODULE = ModuleVersions(TEE_TCB_SVN, TEE_TCB_SVN)
#: The module was updated, and the TD should begin anew to be as good as it.
UPDATED_MODULE = ModuleVersions(LAUNCH_TEE_TCB_SVN, UPDATED_TEE_TCB_SVN)


@dataclass(frozen=True, slots=True)
class AttestationKey:
    """A quoting enclave's key for one TEE, and what its QE report says of it.

    Attributes:
        key: P-256 key that signs quotes.
        qe_report: 384 bytes; its data is SHA-256(public key | auth) and 32 zero bytes.
        qe_signature: The PCK's signature over it, 64 bytes.
        auth: QE authentication data.
    """

    key: ec.EllipticCurvePrivateKey
    qe_report: bytes
    qe_signature: bytes
    auth: bytes


def raw_signature(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """ECDSA with SHA-256 as quotes carry it: r and s, 32 bytes each, big-endian."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def raw_public_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Both coordinates, 32 bytes each, big-endian."""
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def sgx_report_body(
    *,
    cpu_svn: bytes,
    attributes: bytes,
    mrenclave: bytes,
    mrsigner: bytes,
    product: int,
    svn: int,
    report_data: bytes,
) -> bytes:
    """An SGX report body, 384 bytes."""
    body = b"".join(
        (
            cpu_svn,
            bytes(32),  # MISCSELECT, reserved, ISVEXTPRODID
            attributes,
            mrenclave,
            bytes(32),
            mrsigner,
            bytes(32 + 64),  # reserved, CONFIGID
            struct.pack("<HH", product, svn),
            bytes(2 + 42 + 16),  # CONFIGSVN, reserved, ISVFAMILYID
            report_data,
        )
    )
    return _sized(body, SGX_BODY_SIZE)


def td_report_body(
    *, tee_tcb_svn: bytes = TEE_TCB_SVN, td_attributes: bytes, mrtd: bytes, report_data: bytes
) -> bytes:
    """A TD 1.0 report body, 584 bytes, with zero run-time registers."""
    body = b"".join(
        (
            tee_tcb_svn,
            MRSEAM,
            bytes(48 + 8),  # MRSIGNERSEAM, SEAMATTRIBUTES: zero for the vendor's module
            td_attributes,
            TD_XFAM,
            mrtd,
            bytes(3 * 48),  # MRCONFIGID, MROWNER, MROWNERCONFIG
            bytes(4 * 48),  # RTMR0 to RTMR3
            report_data,
        )
    )
    return _sized(body, TDX_BODY_SIZE)


def td15_report_body(td10: bytes, *, tee_tcb_svn_2: bytes = TEE_TCB_SVN) -> bytes:
    """A TD 1.5 report body, 648 bytes, with no service TD."""
    mr_service_td = bytes(48)
    return _sized(td10 + tee_tcb_svn_2 + mr_service_td, TD15_BODY_SIZE)


def enclave_body(
    form: QuoteForm,
    *,
    cpu_svn: bytes,
    measurement: bytes,
    data: bytes,
    module: ModuleVersions = SAME_MODULE,
) -> bytes:
    """The report body of an emulated enclave or trust domain.

    Args:
        form: Decides which body it is.
        cpu_svn: 16 bytes; SGX alone has it.
        measurement: 48 bytes; MRENCLAVE is the first 32, MRTD all.
        data: Report data, 64 bytes.
        module: TDX alone has it.
    """
    if form.tee is TeeKind.SGX:
        return sgx_report_body(
            cpu_svn=cpu_svn,
            attributes=ENCLAVE_ATTRIBUTES,
            mrenclave=measurement[:32],
            mrsigner=ENCLAVE_MRSIGNER,
            product=0,
            svn=0,
            report_data=data,
        )
    body = td_report_body(
        tee_tcb_svn=module.launch,
        td_attributes=TD_ATTRIBUTES,
        mrtd=measurement,
        report_data=data,
    )
    is_td15 = form.body_size == TD15_BODY_SIZE
    return td15_report_body(body, tee_tcb_svn_2=module.present) if is_td15 else body


def make_attestation_key(
    tee: TeeKind,
    platform: Platform,
    pck: ec.EllipticCurvePrivateKey,
    token_bytes: Callable[[int], bytes],
) -> AttestationKey:
    """A quoting enclave makes its attestation key and has the PCK certify it."""
    key = ec.generate_private_key(ec.SECP256R1())
    auth = token_bytes(32)
    binding = hashlib.sha256(raw_public_key(key) + auth).digest() + bytes(32)
    report = sgx_report_body(
        cpu_svn=platform.components,
        attributes=QE_ATTRIBUTES,
        mrenclave=QE_MRENCLAVE,
        mrsigner=QE_MRSIGNER,
        product=QE_PRODUCT[tee],
        svn=QE_SVN,
        report_data=binding,
    )
    return AttestationKey(key, report, raw_signature(pck, report), auth)


class QuotingEnclave:
    """Signs report bodies of one machine. It signs what it is told: there is no hardware behind it.

    Args:
        platform: The machine.
        chain: Its certificates; the leaf's key certifies the attestation keys.
        token_bytes: Source of randomness.
    """

    def __init__(
        self, platform: Platform, chain: Chain, token_bytes: Callable[[int], bytes]
    ) -> None:
        self._platform = platform
        self._chain = chain
        self._user_data = token_bytes(20)
        self._keys = {
            tee: make_attestation_key(tee, platform, chain.pck.key, token_bytes)
            for tee in _TEE_TYPE
        }

    def quote(
        self,
        form: QuoteForm,
        *,
        measurement: bytes,
        report_data: bytes,
        module: ModuleVersions = SAME_MODULE,
    ) -> bytes:
        """A quote over an emulated enclave.

        Args:
            form: Form of the quote.
            measurement: 48 bytes; MRENCLAVE is the first 32, MRTD all.
            report_data: 64 bytes.
            module: TDX alone has it.

        Returns:
            The whole quote with the PEM chain, about 4.5 KB.

        Raises:
            ValueError: Another length.
        """
        _sized(measurement, MEASUREMENT_SIZE)
        _sized(report_data, REPORT_DATA_SIZE)
        cpu_svn = self._platform.components
        body = enclave_body(
            form, cpu_svn=cpu_svn, measurement=measurement, data=report_data, module=module
        )
        return self.sign(form, body)

    def sign(self, form: QuoteForm, body: bytes) -> bytes:
        """The whole quote over a given report body of the form's size."""
        key = self._keys[form.tee]
        head = form.head(
            qe_svn=QE_SVN,
            pce_svn=self._platform.pcesvn,
            vendor_id=QE_VENDOR_ID,
            user_data=self._user_data,
        )
        signed = head + _sized(body, form.body_size)
        chain = _certification(_CERT_PEM_CHAIN, self._chain.pem)
        certified = b"".join(
            (
                key.qe_report,
                key.qe_signature,
                len(key.auth).to_bytes(2, "little"),
                key.auth,
                chain,
            )
        )
        if form.version > 3:
            certified = _certification(_CERT_QE_REPORT, certified)
        data = raw_signature(key.key, signed) + raw_public_key(key.key) + certified
        return signed + len(data).to_bytes(4, "little") + data


def _certification(kind: int, data: bytes) -> bytes:
    return struct.pack("<HI", kind, len(data)) + data


def _sized(value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise ValueError(f"{len(value)} bytes, wanted {size}")
    return value
