"""Collateral in a folder: what a service replied, or what a verifier of whole quotes takes.

- `*.json`: a reply of the service (`{"tcbInfo":…,"signature":…}` and the like), or an object with
  the fields of `QuoteCollateralV3` (`tcb_info`, `tcb_info_signature`, `root_ca_crl` and so on);
- `*.pem`: certificate chains with the TCB signing certificate, the PCK CA and the root;
- `*.crl`, `*.der`: revocation lists in DER, PEM or hexadecimal digits.

Other files are not looked at. What is read is bounded: 64 files of 385 KiB, 16,384 marks between
the values of JSON, and what `documents` takes.
"""

import json
from pathlib import Path
from typing import Any

from enclave.domain.errors import MalformedEvidence, OracleError
from oracle.attestation.codecs.dcap import parse_pem_chain
from oracle.attestation.codecs.pcs import SIGNATURE_SIZE, SignedText, split_signed
from oracle.attestation.codecs.strict_json import check_marks
from oracle.attestation.endorsements.documents import Document, Findings, assemble
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.attestation.endorsements.pcs import (
    MAX_REPLY,
    parse_crl_reply,
)

MAX_FILES = 64
#: Two lists in hexadecimal digits, two texts, three chains.
MAX_FILE = 4 * MAX_REPLY
_CHAINS = ("pck_crl_issuer_chain", "tcb_info_issuer_chain", "qe_identity_issuer_chain")
_LISTS = ("root_ca_crl", "pck_crl")
_TEXTS = {"tcb_info": "tcbInfo", "qe_identity": "enclaveIdentity"}
_REPLIES = ("tcbInfo", "enclaveIdentity", "tcbEvaluationDataNumbers")


def load_collateral(folder: Path) -> tuple[Document, ...]:
    """Read a folder's collateral, of whatever machines.

    Raises:
        CollateralUnavailable: The folder cannot be read, or has nothing of that kind.
        MalformedEvidence: A file says something else; it is named.
        SignatureInvalid: A document that no certificate here signed.
    """
    found = Findings()
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in _READERS)
        if not 0 < len(paths) <= MAX_FILES:
            raise CollateralUnavailable(
                f"{folder}: {len(paths)} files of collateral, wanted 1 to {MAX_FILES}"
            )
        for path in paths:
            _read(found, path)
    except OSError as error:
        raise CollateralUnavailable(f"{folder}: cannot be read: {error.strerror}") from error
    return assemble(found)


def _read(found: Findings, path: Path) -> None:
    with path.open("rb") as file:
        content = file.read(MAX_FILE + 1)
    try:
        if len(content) > MAX_FILE:
            raise MalformedEvidence(f"more than {MAX_FILE} bytes")
        _READERS[path.suffix](found, content)
    except OracleError as error:
        raise MalformedEvidence(f"{path}: {error}") from error


def _take_chain(found: Findings, content: bytes) -> None:
    found.certificates += [each.der for each in parse_pem_chain(content)]


def _take_list(found: Findings, content: bytes) -> None:
    found.crls.append(parse_crl_reply(content))


def _take_json(found: Findings, content: bytes) -> None:
    check_marks(content)
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MalformedEvidence(f"not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise MalformedEvidence("JSON of another kind than an object")
    name = next((name for name in _REPLIES if name in fields), None)
    if name is not None:
        found.texts.append((name, split_signed(content, name)))
    else:
        _take_fields(found, fields)


def _take_fields(found: Findings, fields: dict[str, Any]) -> None:
    """The fields that a verifier of whole quotes takes."""
    for name in _CHAINS:
        _take_chain(found, _text(fields, name).encode())
    for name in _LISTS:
        _take_list(found, _text(fields, name).encode())
    for name, reply in _TEXTS.items():
        signature = _text(fields, f"{name}_signature")
        try:
            raw = bytes.fromhex(signature)
        except ValueError:
            raw = b""
        if len(raw) != SIGNATURE_SIZE:
            raise MalformedEvidence(f"{name}_signature is not {SIGNATURE_SIZE} bytes in hex")
        found.texts.append((reply, SignedText(_text(fields, name).encode(), raw)))


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise MalformedEvidence(f"{name} is {type(value).__name__}, wanted text")
    return value


_READERS = {".json": _take_json, ".pem": _take_chain, ".crl": _take_list, ".der": _take_list}
