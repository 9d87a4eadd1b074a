"""Collateral of the emulated vendor, in the exact formats: TCB info, identities, CRLs, numbers.

`CollateralOffice` plays the vendor's part over time: it publishes anew, revokes a machine or a
certificate of the root, and makes a TCB recovery, after which the machine's level is out of date
until the machine is updated.

Reference: Intel PCS API v4; Intel SGX PCK Certificate and CRL Profile Specification, section 1.4.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.pcs import SignedText
from oracle.attestation.codecs.tcb_tables import (
    EvaluationNumber,
    EvaluationNumbers,
    PlatformLevel,
    QeIdentity,
    SvnLevel,
    TcbInfo,
    TcbStatus,
    TdxModule,
)
from oracle.devnet.silicon.pki import Authority, Chain, Platform, pem_chain
from oracle.devnet.silicon.quotes import (
    QE_MRSIGNER,
    QE_PRODUCT,
    QE_SVN,
    TEE_TCB_SVN,
    raw_signature,
)

#: As the vendor's: everything but the root's CRL lives thirty days.
LIFE = timedelta(days=30)
ROOT_CRL_LIFE = timedelta(days=379)
FIRST_NUMBER = 17
_RECOVERED_ADVISORY = "INTEL-SA-99999"
#: As Intel writes them.
STATUS_NAMES = {
    TcbStatus.UP_TO_DATE: "UpToDate",
    TcbStatus.SW_HARDENING_NEEDED: "SWHardeningNeeded",
    TcbStatus.CONFIGURATION_NEEDED: "ConfigurationNeeded",
    TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED: "ConfigurationAndSWHardeningNeeded",
    TcbStatus.OUT_OF_DATE: "OutOfDate",
    TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED: "OutOfDateConfigurationNeeded",
    TcbStatus.REVOKED: "Revoked",
}
_QE_NAMES = {TeeKind.SGX: "QE", TeeKind.TDX: "TD_QE"}
_REPLY_NAMES = ("tcbInfo", "enclaveIdentity", "tcbEvaluationDataNumbers")


@dataclass(frozen=True, slots=True)
class PublishedCollateral:
    """What the vendor serves at a moment.

    Attributes:
        root_crl: DER.
        pck_crl: DER, of the platform CA.
        tcb_info: For each TEE.
        qe_identity: For each TEE.
        numbers: For each TEE.
    """

    root_crl: bytes
    pck_crl: bytes
    tcb_info: Mapping[TeeKind, SignedText]
    qe_identity: Mapping[TeeKind, SignedText]
    numbers: Mapping[TeeKind, SignedText]

    def replies(self, tee: TeeKind) -> dict[str, bytes]:
        """The bodies of the service, by the name of what is in them."""
        texts = (self.tcb_info[tee], self.qe_identity[tee], self.numbers[tee])
        return {
            name: b'{"%s":%s,"signature":"%s"}'
            % (name.encode(), signed.text, signed.signature.hex().encode())
            for name, signed in zip(_REPLY_NAMES, texts, strict=True)
        }


class CollateralOffice:
    """The vendor's publishing side for one machine.

    Args:
        chain: Its certificates.
        platform: The machine; its present TCB is up to date at first.
        now: When the first TCB evaluation data number became public.
    """

    def __init__(self, chain: Chain, platform: Platform, *, now: datetime) -> None:
        self._chain = chain
        self._platform = platform
        recovered_at = _midnight(now) - 86_400
        self._numbers = [EvaluationNumber(FIRST_NUMBER, recovered_at, recovered_at)]
        self._required = platform.components
        self._revoked_pcks: list[int] = []
        self._revoked_by_root: list[int] = []

    @property
    def number(self) -> int:
        """The newest TCB evaluation data number."""
        return self._numbers[0].number

    def revoke_pck(self, *serials: int) -> None:
        """Put PCK certificates on the platform CA's next list; without serials, the machine's."""
        own = self._chain.pck.certificate.serial_number
        self._revoked_pcks += serials or (own,)

    def revoke_by_root(self, serial: int) -> None:
        """Put a certificate of the root on its next list."""
        self._revoked_by_root.append(serial)

    def recover_tcb(self, *, now: datetime) -> None:
        """A vulnerability becomes public: a new number, under which the machine is out of date."""
        at = int(now.timestamp())
        self._numbers.insert(0, EvaluationNumber(self.number + 1, at, _midnight(now)))
        self._required = bytes((self._required[0] + 1,)) + self._required[1:]

    def publish(self, *, now: datetime, number: int | None = None) -> PublishedCollateral:
        """Everything, issued now.

        Args:
            now: Issue date of all documents.
            number: TCB evaluation data number of TCB info and identities; the newest by default.
        """
        tees = (TeeKind.SGX, TeeKind.TDX)
        chosen = self.number if number is None else number
        crls = (
            make_crl(self._chain.root, self._revoked_by_root, now=now, life=ROOT_CRL_LIFE),
            make_crl(self._chain.platform_ca, self._revoked_pcks, now=now, life=LIFE),
        )
        return PublishedCollateral(
            *crls,
            tcb_info={
                tee: self.sign(render_tcb_info(self.tcb_info(tee, now, chosen))) for tee in tees
            },
            qe_identity={
                tee: self.sign(render_qe_identity(_qe_identity(tee, now, chosen))) for tee in tees
            },
            numbers={
                tee: self.sign(render_numbers(self.evaluation_numbers(tee, now))) for tee in tees
            },
        )

    def quote_collateral(self, tee: TeeKind, published: PublishedCollateral) -> dict[str, str]:
        """What a verifier of whole quotes takes, under the vendor library's field names."""
        chain = self._chain
        signer = pem_chain(chain.tcb_signer, chain.root).decode()
        info, identity = published.tcb_info[tee], published.qe_identity[tee]
        return {
            "pck_crl_issuer_chain": pem_chain(chain.platform_ca, chain.root).decode(),
            "root_ca_crl": published.root_crl.hex(),
            "pck_crl": published.pck_crl.hex(),
            "tcb_info_issuer_chain": signer,
            "tcb_info": info.text.decode(),
            "tcb_info_signature": info.signature.hex(),
            "qe_identity_issuer_chain": signer,
            "qe_identity": identity.text.decode(),
            "qe_identity_signature": identity.signature.hex(),
        }

    def sign(self, text: bytes) -> SignedText:
        """Any text, signed as collateral."""
        return SignedText(text, raw_signature(self._chain.tcb_signer.key, text))

    def tcb_info(self, tee: TeeKind, now: datetime, number: int) -> TcbInfo:
        """The machine's TCB info under a number."""
        issued_at = int(now.timestamp())
        tdx = TEE_TCB_SVN if tee is TeeKind.TDX else bytes(16)
        level = SvnLevel(self._platform.pcesvn, TcbStatus.UP_TO_DATE, _midnight(now), ())
        first = PlatformLevel(self._platform.components, tdx, level)
        levels: tuple[PlatformLevel, ...] = (first,)
        if number > FIRST_NUMBER:
            late = replace(level, status=TcbStatus.OUT_OF_DATE, advisories=(_RECOVERED_ADVISORY,))
            levels = (replace(first, sgx=self._required), replace(first, grade=late))
        return TcbInfo(
            tee=tee,
            fmspc=self._platform.fmspc,
            pce_id=self._platform.pceid,
            number=number,
            issued_at=issued_at,
            next_update=issued_at + int(LIFE.total_seconds()),
            modules=_modules(level) if tee is TeeKind.TDX else (),
            levels=levels,
        )

    def evaluation_numbers(self, tee: TeeKind, now: datetime) -> EvaluationNumbers:
        """Every number that there is, the newest first."""
        issued_at = int(now.timestamp())
        end = issued_at + int(LIFE.total_seconds())
        return EvaluationNumbers(tee, issued_at, end, tuple(self._numbers))


def make_crl(
    issuer: Authority,
    serials: Iterable[int],
    *,
    now: datetime,
    life: timedelta,
    number: int = 1,
) -> bytes:
    """A revocation list in DER, with the vendor's extensions; its number never grows there.

    Args:
        issuer: Who signs it.
        serials: Of the revoked certificates, all for a compromised key.
        now: `thisUpdate`, cut to seconds.
        life: From there to `nextUpdate`.
        number: CRL number.
    """
    at = now.astimezone(UTC).replace(microsecond=0)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(at)
        .next_update(at + life)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(authority, critical=False)
    )
    for serial in serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(serial)
            .revocation_date(at)
            .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
            .build()
        )
    return builder.sign(issuer.key, SHA256()).public_bytes(Encoding.DER)


def render_tcb_info(info: TcbInfo) -> bytes:
    """The text of a TCB info, version 3."""
    modules: dict[str, Any] = {}
    if info.modules:
        *identities, last = info.modules
        modules["tdxModule"] = _module_fields(last)
        modules["tdxModuleIdentities"] = [
            {"id": f"TDX_{module.id:02X}"}
            | _module_fields(module)
            | {"tcbLevels": [_svn_level(level) for level in module.levels]}
            for module in identities
        ]
    return _text(
        {
            "id": info.tee.name,
            "version": 3,
            **_dates(info.issued_at, info.next_update),
            "fmspc": info.fmspc.hex().upper(),
            "pceId": info.pce_id.hex().upper(),
            "tcbType": 0,
            "tcbEvaluationDataNumber": info.number,
            **modules,
            "tcbLevels": [_platform_level(level, info.tee) for level in info.levels],
        }
    )


def render_qe_identity(qe: QeIdentity) -> bytes:
    """The text of a quoting enclave's identity, version 2."""
    sizes = {
        "miscselect": 4,
        "miscselectMask": 4,
        "attributes": 16,
        "attributesMask": 16,
        "mrsigner": 32,
    }
    fields: dict[str, Any] = {}
    at = 0
    for name, size in sizes.items():
        fields[name] = qe.identity[at : at + size].hex().upper()
        at += size
    return _text(
        {
            "id": _QE_NAMES[qe.tee],
            "version": 2,
            **_dates(qe.issued_at, qe.next_update),
            "tcbEvaluationDataNumber": qe.number,
            **fields,
            "isvprodid": int.from_bytes(qe.identity[at:], "big"),
            "tcbLevels": [_svn_level(level) for level in qe.levels],
        }
    )


def render_numbers(numbers: EvaluationNumbers) -> bytes:
    """The text of TCB evaluation data numbers, version 1."""
    return _text(
        {
            "id": numbers.tee.name,
            "version": 1,
            **_dates(numbers.issued_at, numbers.next_update),
            "tcbEvalNumbers": [
                {
                    "tcbEvaluationDataNumber": entry.number,
                    "tcbRecoveryEventDate": _date(entry.recovery_at),
                    "tcbDate": _date(entry.tcb_date),
                }
                for entry in numbers.numbers
            ],
        }
    )


def _qe_identity(tee: TeeKind, now: datetime, number: int) -> QeIdentity:
    issued_at = int(now.timestamp())
    identity = (
        bytes(4)
        + b"\xff" * 4
        + bytes.fromhex("11000000000000000000000000000000")
        + bytes.fromhex("fbffffffffffffff0000000000000000")
        + QE_MRSIGNER
        + QE_PRODUCT[tee].to_bytes(2, "big")
    )
    level = SvnLevel(QE_SVN, TcbStatus.UP_TO_DATE, _midnight(now), ())
    old = SvnLevel(QE_SVN - 2, TcbStatus.OUT_OF_DATE, _midnight(now), (_RECOVERED_ADVISORY,))
    end = issued_at + int(LIFE.total_seconds())
    return QeIdentity(tee, number, issued_at, end, identity, (level, old))


def _modules(level: SvnLevel) -> tuple[TdxModule, ...]:
    """The vendor's modules: signed by it (zeros), no attribute set."""

    def module(number: int, levels: tuple[SvnLevel, ...]) -> TdxModule:
        return TdxModule(number, bytes(48), bytes(8), b"\xff" * 8, levels)

    return (
        module(3, (replace(level, svn=3),)),
        module(1, (replace(level, svn=5), replace(level, svn=2, status=TcbStatus.OUT_OF_DATE))),
        module(0, ()),
    )


def _module_fields(module: TdxModule) -> dict[str, str]:
    return {
        "mrsigner": module.mrsigner.hex().upper(),
        "attributes": module.attributes.hex().upper(),
        "attributesMask": module.mask.hex().upper(),
    }


def _platform_level(level: PlatformLevel, tee: TeeKind) -> dict[str, Any]:
    tcb: dict[str, Any] = {
        "sgxtcbcomponents": [{"svn": version} for version in level.sgx],
        "pcesvn": level.grade.svn,
    }
    if tee is TeeKind.TDX:
        tcb["tdxtcbcomponents"] = [{"svn": version} for version in level.tdx]
    return {"tcb": tcb} | _grade(level.grade)


def _svn_level(level: SvnLevel) -> dict[str, Any]:
    return {"tcb": {"isvsvn": level.svn}} | _grade(level)


def _grade(level: SvnLevel) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "tcbDate": _date(level.date),
        "tcbStatus": STATUS_NAMES[level.status],
    }
    return fields | ({"advisoryIDs": list(level.advisories)} if level.advisories else {})


def _dates(issued_at: int, next_update: int) -> dict[str, str]:
    return {"issueDate": _date(issued_at), "nextUpdate": _date(next_update)}


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _midnight(now: datetime) -> int:
    return int(now.astimezone(UTC).replace(hour=0, minute=0, second=0).timestamp())


def _text(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
