"""The emulated vendor's publishing side: what it signs of one machine, over time.

`CollateralOffice` publishes anew, revokes a machine or a certificate of the root, and makes TCB
recoveries, after each of which the machine is out of date until it is updated.

Reference: Intel PCS API v4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

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
from oracle.devnet.silicon.documents import (
    make_crl,
    render_numbers,
    render_qe_identity,
    render_tcb_info,
)
from oracle.devnet.silicon.pki import Chain, Platform, pem_chain
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
_REPLY_NAMES = ("tcbInfo", "enclaveIdentity", "tcbEvaluationDataNumbers")
_TEES = (TeeKind.SGX, TeeKind.TDX)


@dataclass(frozen=True, slots=True)
class PublishedCollateral:
    """What the vendor serves at a moment, under one TCB evaluation data number.

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
        now: When the first TCB evaluation data number became public, less a day.
    """

    def __init__(self, chain: Chain, platform: Platform, *, now: datetime) -> None:
        self._chain = chain
        self._platform = platform
        recovered_at = _midnight(now) - 86_400
        self._numbers = [EvaluationNumber(FIRST_NUMBER, recovered_at, recovered_at)]
        #: Components that a machine must have to be up to date; by number, as `_numbers`.
        self._required = [platform.components]
        self._revoked_pcks: list[int] = []
        self._revoked_by_root: list[int] = []

    @property
    def number(self) -> int:
        """The newest TCB evaluation data number."""
        return self._numbers[0].number

    @property
    def numbers(self) -> tuple[EvaluationNumber, ...]:
        """Every number that there is, the newest first."""
        return tuple(self._numbers)

    @property
    def required(self) -> bytes:
        """Components under the newest number, 16 bytes."""
        return self._required[0]

    def certify(self, chain: Chain) -> None:
        """The machine has other certificates from now on."""
        self._chain = chain

    def revoke_pck(self, *serials: int) -> None:
        """Put PCK certificates on the platform CA's next list; without serials, the machine's."""
        own = self._chain.pck.certificate.serial_number
        self._revoked_pcks += serials or (own,)

    def revoke_by_root(self, serial: int) -> None:
        """Put a certificate of the root on its next list."""
        self._revoked_by_root.append(serial)

    def recover_tcb(self, *, now: datetime) -> None:
        """A vulnerability becomes public: a new number, under which the machine is out of date.

        Raises:
            ValueError: The machine's version numbers have no room for more.
        """
        first, rest = self.required[0], self.required[1:]
        if first == 0xFF:
            raise ValueError("component 0 is 255 already")
        at = int(now.timestamp())
        self._numbers.insert(0, EvaluationNumber(self.number + 1, at, _midnight(now)))
        self._required.insert(0, bytes((first + 1,)) + rest)

    def publish(
        self, *, now: datetime, number: int | None = None, life: timedelta = LIFE
    ) -> PublishedCollateral:
        """Everything, issued now.

        Args:
            now: Issue date of all documents.
            number: TCB evaluation data number of TCB info and identities; the newest by default.
            life: Of everything but the root's CRL.
        """
        chosen = self.number if number is None else number
        signed = {
            tee: (
                self.sign(render_tcb_info(self.tcb_info(tee, now, chosen, life=life))),
                self.sign(render_qe_identity(_qe_identity(tee, now, chosen, life))),
                self.sign(render_numbers(self.evaluation_numbers(tee, now, life=life))),
            )
            for tee in _TEES
        }
        return PublishedCollateral(
            root_crl=make_crl(self._chain.root, self._revoked_by_root, now=now, life=ROOT_CRL_LIFE),
            pck_crl=make_crl(self._chain.platform_ca, self._revoked_pcks, now=now, life=life),
            tcb_info={tee: info for tee, (info, _, _) in signed.items()},
            qe_identity={tee: identity for tee, (_, identity, _) in signed.items()},
            numbers={tee: numbers for tee, (_, _, numbers) in signed.items()},
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

    def tcb_info(
        self, tee: TeeKind, now: datetime, number: int, *, life: timedelta = LIFE
    ) -> TcbInfo:
        """The machine's TCB info under a number: what it demands, then each level before it."""
        grade = SvnLevel(self._platform.pcesvn, TcbStatus.UP_TO_DATE, _midnight(now), ())
        late = replace(grade, status=TcbStatus.OUT_OF_DATE, advisories=(_RECOVERED_ADVISORY,))
        tdx = TEE_TCB_SVN if tee is TeeKind.TDX else bytes(16)
        newest, *older = self._required[self.number - number :]
        levels = [PlatformLevel(newest, tdx, grade)]
        levels += [PlatformLevel(components, tdx, late) for components in older]
        issued_at = int(now.timestamp())
        return TcbInfo(
            tee=tee,
            fmspc=self._platform.fmspc,
            pce_id=self._platform.pceid,
            number=number,
            issued_at=issued_at,
            next_update=issued_at + int(life.total_seconds()),
            modules=_modules(grade) if tee is TeeKind.TDX else (),
            levels=tuple(levels),
        )

    def evaluation_numbers(
        self, tee: TeeKind, now: datetime, *, life: timedelta = LIFE
    ) -> EvaluationNumbers:
        """Every number that there is, the newest first."""
        issued_at = int(now.timestamp())
        end = issued_at + int(life.total_seconds())
        return EvaluationNumbers(tee, issued_at, end, self.numbers)


def _qe_identity(tee: TeeKind, now: datetime, number: int, life: timedelta) -> QeIdentity:
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
    end = issued_at + int(life.total_seconds())
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


def _midnight(now: datetime) -> int:
    return int(now.astimezone(UTC).replace(hour=0, minute=0, second=0).timestamp())
