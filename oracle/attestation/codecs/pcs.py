"""Intel's signed JSON: TCB info, quoting enclave identity, TCB evaluation data numbers.

The documents are taken apart as `IntelCollateral` does, into the tables of `tcb_tables.py`, with
the same strictness: compact, keys in one order, no escapes, nothing left over. Nothing here
establishes that Intel signed them.

Reference: Intel PCS API v4, "Get TCB info", "Get Quoting Enclave identity", "Get TCB evaluation
data numbers".
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Never, TypeVar

from enclave.domain.errors import MalformedEvidence
from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.tcb_tables import (
    STATUS_NAMES,
    EvaluationNumber,
    EvaluationNumbers,
    PlatformLevel,
    QeIdentity,
    SvnLevel,
    TcbInfo,
    TcbStatus,
    TdxModule,
)

#: The contract's limits.
MAX_DOCUMENT = 32_768
MAX_LEVELS = 64
MAX_MODULES = 16
SIGNATURE_SIZE = 64
COMPONENTS = 16
_COMPONENT_KEYS = (("svn", "category", "type"), ("svn",), ("svn", "category"), ("svn", "type"))
_SIGNED = re.compile(rb'\{"(\w+)":(\{.*\}),"signature":"([0-9a-fA-F]{128})"\}', re.DOTALL)
_TEXT = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7f]*")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)

_Item = TypeVar("_Item")
#: What a level may have.
_STATUSES = {name: status for status, name in STATUS_NAMES.items() if status <= TcbStatus.REVOKED}


@dataclass(frozen=True, slots=True)
class SignedText:
    """A document as the service sends it.

    Attributes:
        text: Exactly the bytes that Intel signed.
        signature: r and s, 32 bytes each.
    """

    text: bytes
    signature: bytes


def split_signed(body: bytes, name: str) -> SignedText:
    """The signed text and its signature from a reply of the service.

    Args:
        body: `{"<name>":{…},"signature":"<128 hexadecimal digits>"}`, at most 33,024 bytes.
        name: `tcbInfo`, `enclaveIdentity` or `tcbEvaluationDataNumbers`.

    Raises:
        MalformedEvidence: Another form.
    """
    if len(body) > MAX_DOCUMENT + 256:
        raise MalformedEvidence(f"reply of {len(body)} bytes, wanted <= {MAX_DOCUMENT + 256}")
    found = _SIGNED.fullmatch(body.strip())
    if found is None or found[1] != name.encode():
        raise MalformedEvidence(f'reply is not {{"{name}":{{…}},"signature":"…"}}')
    return SignedText(text=found[2], signature=bytes.fromhex(found[3].decode()))


def parse_tcb_info(text: bytes) -> TcbInfo:
    """Take a TCB info apart.

    Args:
        text: Exactly the bytes that Intel signed, at most 32,768.

    Raises:
        MalformedEvidence: Not a TCB info of version 3 in Intel's layout.
    """
    document = _load(text)
    common = ("id", "version", "issueDate", "nextUpdate", "fmspc", "pceId", "tcbType")
    tee = _tee(document, {"SGX": TeeKind.SGX, "TDX": TeeKind.TDX})
    module_keys: tuple[str, ...] = ()
    if tee is TeeKind.TDX:
        listed = ("tdxModuleIdentities",) if "tdxModuleIdentities" in document else ()
        module_keys = ("tdxModule", *listed)
    _keys(document, (*common, "tcbEvaluationDataNumber", *module_keys, "tcbLevels"))
    _constant(document, "version", 3)
    _constant(document, "tcbType", 0)
    return TcbInfo(
        tee=tee,
        fmspc=_hex(document["fmspc"], 6),
        pce_id=_hex(document["pceId"], 2),
        number=_number(document["tcbEvaluationDataNumber"], 2**32),
        issued_at=_time(document["issueDate"]),
        next_update=_time(document["nextUpdate"]),
        modules=_modules(document) if tee is TeeKind.TDX else (),
        levels=_listed(document["tcbLevels"], lambda level: _platform_level(level, tee)),
    )


def parse_qe_identity(text: bytes) -> QeIdentity:
    """Take a quoting enclave's identity apart.

    Args:
        text: Exactly the bytes that Intel signed, at most 32,768.

    Raises:
        MalformedEvidence: Not an identity of version 2, of QE or TD_QE, in Intel's layout.
    """
    document = _load(text)
    masked = ("miscselect", "miscselectMask", "attributes", "attributesMask", "mrsigner")
    head = ("id", "version", "issueDate", "nextUpdate", "tcbEvaluationDataNumber")
    _keys(document, (*head, *masked, "isvprodid", "tcbLevels"))
    tee = _tee(document, {"QE": TeeKind.SGX, "TD_QE": TeeKind.TDX})
    _constant(document, "version", 2)
    sizes = dict(zip(masked, (4, 4, 16, 16, 32), strict=True))
    fields = b"".join(_hex(document[name], size) for name, size in sizes.items())
    return QeIdentity(
        tee=tee,
        number=_number(document["tcbEvaluationDataNumber"], 2**32),
        issued_at=_time(document["issueDate"]),
        next_update=_time(document["nextUpdate"]),
        identity=fields + _number(document["isvprodid"], 2**16).to_bytes(2, "big"),
        levels=_listed(document["tcbLevels"], _svn_level),
    )


def parse_evaluation_numbers(text: bytes) -> EvaluationNumbers:
    """Take TCB evaluation data numbers apart.

    Args:
        text: Exactly the bytes that Intel signed, at most 32,768.

    Raises:
        MalformedEvidence: Not such numbers of version 1 in Intel's layout.
    """
    document = _load(text)
    _keys(document, ("id", "version", "issueDate", "nextUpdate", "tcbEvalNumbers"))
    _constant(document, "version", 1)
    return EvaluationNumbers(
        tee=_tee(document, {"SGX": TeeKind.SGX, "TDX": TeeKind.TDX}),
        issued_at=_time(document["issueDate"]),
        next_update=_time(document["nextUpdate"]),
        numbers=_listed(document["tcbEvalNumbers"], _evaluation_number),
    )


def _load(text: bytes) -> dict[str, Any]:
    """One object in the only layout that Intel emits; in it no key occurs twice."""
    if len(text) > MAX_DOCUMENT:
        raise MalformedEvidence(f"document of {len(text)} bytes, wanted <= {MAX_DOCUMENT}")
    try:
        document = json.loads(
            text.decode("ascii"),
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
        layout = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise MalformedEvidence(f"document is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise MalformedEvidence("document is not an object")
    if layout != text:
        raise MalformedEvidence("document is not in the vendor's compact layout")
    return document


def _refuse_number(written: str) -> Never:
    raise ValueError(f"number {written}, wanted an integer")


def _keys(item: object, wanted: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(item, dict) or tuple(item) != wanted:
        seen = list(item) if isinstance(item, dict) else type(item).__name__
        raise MalformedEvidence(f"keys are {seen}, wanted {list(wanted)}")
    return item


def _tee(document: Mapping[str, Any], kinds: Mapping[str, TeeKind]) -> TeeKind:
    name = document.get("id")
    if not isinstance(name, str) or name not in kinds:
        raise MalformedEvidence(f"id is {name!r}, wanted one of {sorted(kinds)}")
    return kinds[name]


def _constant(document: Mapping[str, Any], key: str, wanted: int) -> None:
    if _number(document[key], 2**32) != wanted:
        raise MalformedEvidence(f"{key} is {document[key]}, wanted {wanted}")


def _number(value: object, limit: int) -> int:
    if type(value) is not int or not 0 <= value < limit:
        raise MalformedEvidence(f"number is {value!r}, wanted 0 to {limit - 1}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or _TEXT.fullmatch(value) is None:
        raise MalformedEvidence(f"text is {value!r}, wanted ASCII without escapes")
    return value


def _hex(value: object, size: int) -> bytes:
    """Digits of either case: the service writes FMSPC as it was asked."""
    if not isinstance(value, str) or re.fullmatch(rf"[0-9a-fA-F]{{{2 * size}}}", value) is None:
        raise MalformedEvidence(f"value is {value!r}, wanted {2 * size} hexadecimal digits")
    return bytes.fromhex(value)


def _time(value: object) -> int:
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        raise MalformedEvidence(f"time is {value!r}, wanted YYYY-MM-DDTHH:MM:SSZ")
    try:
        seconds = int(datetime.fromisoformat(value).astimezone(UTC).timestamp())
    except ValueError as error:
        raise MalformedEvidence(f"time is {value!r}: {error}") from error
    if seconds < 0:
        raise MalformedEvidence(f"time is {value!r}, wanted 1970 or later")
    return seconds


def _listed(value: object, parse: Callable[[object], _Item]) -> tuple[_Item, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_LEVELS:
        raise MalformedEvidence(f"list is empty, none, or longer than {MAX_LEVELS}")
    return tuple(parse(item) for item in value)


def _grade(item: Mapping[str, Any], svn: int) -> SvnLevel:
    status = item["tcbStatus"]
    if not isinstance(status, str) or status not in _STATUSES:
        raise MalformedEvidence(f"tcbStatus is {status!r}, wanted one of {sorted(_STATUSES)}")
    advisories = item.get("advisoryIDs", [])
    if not isinstance(advisories, list):
        raise MalformedEvidence("advisoryIDs is no list")
    return SvnLevel(
        svn=svn,
        status=_STATUSES[status],
        date=_time(item["tcbDate"]),
        advisories=tuple(_text(name) for name in advisories),
    )


def _level(item: object) -> dict[str, Any]:
    has_advisories = isinstance(item, dict) and "advisoryIDs" in item
    advisories = ("advisoryIDs",) if has_advisories else ()
    return _keys(item, ("tcb", "tcbDate", "tcbStatus", *advisories))


def _svn_level(item: object) -> SvnLevel:
    level = _level(item)
    tcb = _keys(level["tcb"], ("isvsvn",))
    return _grade(level, _number(tcb["isvsvn"], 2**16))


def _platform_level(item: object, tee: TeeKind) -> PlatformLevel:
    level = _level(item)
    tdx = ("tdxtcbcomponents",) if tee is TeeKind.TDX else ()
    tcb = _keys(level["tcb"], ("sgxtcbcomponents", "pcesvn", *tdx))
    return PlatformLevel(
        sgx=_components(tcb["sgxtcbcomponents"]),
        tdx=_components(tcb["tdxtcbcomponents"]) if tdx else bytes(COMPONENTS),
        grade=_grade(level, _number(tcb["pcesvn"], 2**16)),
    )


def _components(value: object) -> bytes:
    if not isinstance(value, list) or len(value) != COMPONENTS:
        raise MalformedEvidence(f"components are no list of {COMPONENTS}")
    for item in value:
        if not isinstance(item, dict) or tuple(item) not in _COMPONENT_KEYS:
            raise MalformedEvidence(f"component is {item!r}, wanted one of {_COMPONENT_KEYS}")
    labels = [item.get(name, "") for item in value for name in ("category", "type")]
    _text("".join(label if isinstance(label, str) else _text(label) for label in labels))
    return bytes([_number(item["svn"], 2**8) for item in value])


def _modules(document: Mapping[str, Any]) -> tuple[TdxModule, ...]:
    fields = ("mrsigner", "attributes", "attributesMask")
    last = _module(_keys(document["tdxModule"], fields), 0, ())
    identities = document.get("tdxModuleIdentities", [])
    if not isinstance(identities, list) or len(identities) > MAX_MODULES:
        raise MalformedEvidence(f"tdxModuleIdentities is no list, or longer than {MAX_MODULES}")
    found = [_identity(_keys(item, ("id", *fields, "tcbLevels"))) for item in identities]
    ids = {0, *(module.id for module in found)}
    if len(ids) != len(found) + 1:
        raise MalformedEvidence("two TDX modules with one id, or one with the id 0")
    return (*found, last)


def _identity(item: Mapping[str, Any]) -> TdxModule:
    name = item["id"]
    if not isinstance(name, str) or not name.startswith("TDX_"):
        raise MalformedEvidence(f"module id is {name!r}, wanted TDX_ and two digits")
    levels = _listed(item["tcbLevels"], _svn_level)
    return _module(item, _hex(name.removeprefix("TDX_"), 1)[0], levels)


def _module(item: Mapping[str, Any], number: int, levels: tuple[SvnLevel, ...]) -> TdxModule:
    return TdxModule(
        id=number,
        mrsigner=_hex(item["mrsigner"], 48),
        attributes=_hex(item["attributes"], 8),
        mask=_hex(item["attributesMask"], 8),
        levels=levels,
    )


def _evaluation_number(item: object) -> EvaluationNumber:
    entry = _keys(item, ("tcbEvaluationDataNumber", "tcbRecoveryEventDate", "tcbDate"))
    return EvaluationNumber(
        number=_number(entry["tcbEvaluationDataNumber"], 2**32),
        recovery_at=_time(entry["tcbRecoveryEventDate"]),
        tcb_date=_time(entry["tcbDate"]),
    )
