"""Collateral for the tests in Solidity: tables with a level of every status, and what ends early.

A machine's PCESVN decides which platform level it meets under SGX, the third component of its
TEE_TCB_SVN under TDX; ISVSVN decides for the quoting enclave, the first component for a module.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.crl import parse_crl
from oracle.attestation.codecs.dcap import parse_certificate
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
from oracle.devnet.silicon import quotes
from oracle.devnet.silicon.documents import (
    make_crl,
    render_numbers,
    render_qe_identity,
    render_tcb_info,
)
from oracle.devnet.silicon.pki import Chain, Platform

#: TCB evaluation data numbers: the newest, and one that it superseded.
NUMBER, OLD_NUMBER = 50, 49
#: What the vendor's list of the platform CA has, in the recorded collateral.
REVOKED_MACHINES = 57
SHORT_LIFE = timedelta(days=1)
#: Each kind ends at another time, the TCB info first.
LIVES = {"tcbInfo": 30, "qeIdentity": 31, "numbers": 32, "pckCrl": 33, "rootCrl": 379}
#: PCESVN of the machine that is up to date; each level below asks for one less.
PCESVN = 13
SIGNER_3, ATTRIBUTES_3 = bytes([0x33]) * 48, bytes.fromhex("0100000000000000")
MASK_3 = bytes.fromhex("ff000000000000ff")
_QE_ATTRIBUTES = bytes.fromhex("11000000000000000000000000000000")
_QE_MASK = bytes.fromhex("fbffffffffffffff0000000000000000")
#: MISCSELECT may have any of the low bits.
_MISC, _MISC_MASK = bytes(4), bytes.fromhex("f0ffffff")
_STATUSES = tuple(TcbStatus)[: TcbStatus.REVOKED]
_TEES = (TeeKind.SGX, TeeKind.TDX)


@dataclass(frozen=True, slots=True)
class Tables:
    """What the documents of one TEE say."""

    info: TcbInfo
    identity: QeIdentity
    numbers: EvaluationNumbers


def advisories(part: str, status: TcbStatus) -> tuple[str, ...]:
    """Open at a level of a part of the platform; none where it is up to date."""
    names = (f"INTEL-{part}-{status:05}", f"INTEL-{part}-00000")
    return names[: min(status - 1, 2)]


def tables(tee: TeeKind, platform: Platform, *, at: int, number: int = NUMBER) -> Tables:
    """The tables of a TEE.

    Args:
        tee: `SGX` or `TDX`.
        platform: The machine that is up to date.
        at: Issue date, in seconds since the epoch.
        number: TCB evaluation data number.
    """
    is_tdx = tee is TeeKind.TDX
    identity = b"".join(
        (
            _MISC,
            _MISC_MASK,
            _QE_ATTRIBUTES,
            _QE_MASK,
            quotes.QE_MRSIGNER,
            quotes.QE_PRODUCT[tee].to_bytes(2, "big"),
        )
    )
    info = TcbInfo(
        tee=tee,
        fmspc=platform.fmspc,
        pce_id=platform.pceid,
        number=number,
        issued_at=at,
        next_update=_end(at, "tcbInfo"),
        modules=_modules(at) if is_tdx else (),
        levels=tuple(_platform_level(status, platform, tee, at) for status in _STATUSES),
    )
    qe_levels = tuple(
        SvnLevel(svn, status, at, advisories("QE", status))
        for svn, status in ((8, 1), (7, 2), (6, 5), (5, 7))
        for status in (TcbStatus(status),)
    )
    return Tables(
        info,
        QeIdentity(tee, number, at, _end(at, "qeIdentity"), identity, qe_levels),
        EvaluationNumbers(
            tee,
            at,
            _end(at, "numbers"),
            (
                EvaluationNumber(NUMBER, at - 1000, at - 5000),
                EvaluationNumber(OLD_NUMBER, at - 9000, at - 9000),
            ),
        ),
    )


def described(chain: Chain, platform: Platform, now: datetime) -> dict[str, object]:
    """The collateral as the file has it, before its bytes become text."""
    at = int(now.timestamp())
    by_tee = {tee.name: tables(tee, platform, at=at) for tee in _TEES}
    old = tables(TeeKind.SGX, platform, at=at, number=OLD_NUMBER)
    signer = parse_certificate(chain.tcb_signer.der)
    revoked = list(range(2**158, 2**158 + REVOKED_MACHINES))
    own = chain.pck.certificate.serial_number
    later = now + timedelta(hours=1)
    life = {kind: timedelta(days=days) for kind, days in LIVES.items()}
    lists = {
        "rootCrl": make_crl(chain.root, [], now=now, life=life["rootCrl"]),
        "pckCrl": make_crl(chain.platform_ca, revoked, now=now, life=life["pckCrl"]),
        # Names nobody who is used here, and yet begins an epoch.
        "laterRootCrl": make_crl(chain.root, [1], now=later, life=life["rootCrl"]),
        "revokingPckCrl": make_crl(
            chain.platform_ca, [*revoked, own], now=later, life=life["pckCrl"]
        ),
    }
    return {
        "number": NUMBER,
        "oldNumber": OLD_NUMBER,
        "publicSince": at - 1000,
        "oldPublicSince": at - 9000,
        "until": _end(at, "tcbInfo"),
        "signer": signer.der,
        "signerId": signer.id,
        "signerName": chain.tcb_signer.name_hash,
        "serials": parse_crl(lists["pckCrl"]).table,
        "revokingSerials": parse_crl(lists["revokingPckCrl"]).table,
        **lists,
        **_signed(chain, by_tee | {"SGX_OLD": old}),
        "short": _short(chain, by_tee["SGX"], revoked, now),
        "ends": {kind: _end(at, kind) for kind in LIVES},
    }


def _signed(chain: Chain, by_name: dict[str, Tables]) -> dict[str, object]:
    texts = {
        "tcbInfo": {name: render_tcb_info(each.info) for name, each in by_name.items()},
        "qeIdentity": {name: render_qe_identity(each.identity) for name, each in by_name.items()},
        "numbers": {name: render_numbers(each.numbers) for name, each in by_name.items()},
    }
    return {
        kind: {name: _document(chain, text) for name, text in found.items()}
        for kind, found in texts.items()
    }


def _short(chain: Chain, sgx: Tables, revoked: list[int], now: datetime) -> dict[str, object]:
    """Of each kind one that ends after a day."""
    end = int((now + SHORT_LIFE).timestamp())
    texts = {
        "tcbInfo": render_tcb_info(replace(sgx.info, next_update=end)),
        "qeIdentity": render_qe_identity(replace(sgx.identity, next_update=end)),
        "numbers": render_numbers(replace(sgx.numbers, next_update=end)),
    }
    return {
        "end": end,
        "rootCrl": make_crl(chain.root, [], now=now, life=SHORT_LIFE),
        "pckCrl": make_crl(chain.platform_ca, revoked, now=now, life=SHORT_LIFE),
        **{kind: _document(chain, text) for kind, text in texts.items()},
    }


def _document(chain: Chain, text: bytes) -> dict[str, bytes]:
    signature = quotes.raw_signature(chain.tcb_signer.key, text)
    return {"text": text, "r": signature[:32], "s": signature[32:]}


def _end(at: int, kind: str) -> int:
    return at + LIVES[kind] * 86_400


def _platform_level(status: TcbStatus, platform: Platform, tee: TeeKind, at: int) -> PlatformLevel:
    """SGX: one PCESVN less than the level before; TDX: one less of the third component."""
    lower = status - 1
    grade = SvnLevel(PCESVN, status, at, advisories("SA", status))
    if tee is TeeKind.SGX:
        return PlatformLevel(platform.components, bytes(16), replace(grade, svn=PCESVN - lower))
    first, second, third, *rest = quotes.TEE_TCB_SVN
    # Only the first level asks for a version of the module: what has an identity is free of it.
    tdx = bytes((first if lower == 0 else 0, second, third - lower, *rest))
    return PlatformLevel(platform.components, tdx, grade)


def _modules(at: int) -> tuple[TdxModule, ...]:
    """Module 3 is another's, with an attribute; 1 is the vendor's; 0 is `tdxModule`."""

    def levels(*found: tuple[int, TcbStatus]) -> tuple[SvnLevel, ...]:
        return tuple(SvnLevel(svn, status, at, advisories("MO", status)) for svn, status in found)

    up, late, gone = TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE, TcbStatus.REVOKED
    ones = bytes([0xFF]) * 8
    return (
        TdxModule(3, SIGNER_3, ATTRIBUTES_3, MASK_3, levels((3, up))),
        TdxModule(1, bytes(48), bytes(8), ones, levels((5, up), (2, late), (1, gone))),
        TdxModule(0, bytes(48), bytes(8), ones, ()),
    )
