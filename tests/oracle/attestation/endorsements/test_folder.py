"""A folder of collateral: replies of a service, or one object with everything."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from enclave.domain.errors import MalformedEvidence
from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.strict_json import MAX_MARKS
from oracle.attestation.endorsements.documents import DocumentKind
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.attestation.endorsements.folder import MAX_FILE, MAX_FILES, load_collateral
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.fakes.pcs import NOW, write_folder

VECTORS = os.environ.get("ORACLE_VECTORS")
VENDOR = SiliconVendor(now=NOW)


def _fields() -> dict[str, Any]:
    published = VENDOR.collateral.publish(now=NOW)
    return dict(VENDOR.collateral.quote_collateral(TeeKind.TDX, published))


def test_replies_lists_and_chains_are_put_together(tmp_path: Path) -> None:
    write_folder(tmp_path, VENDOR)
    (tmp_path / "notes.txt").write_text("not looked at")
    kinds = [each.kind for each in load_collateral(tmp_path)]
    assert kinds == sorted(
        [*DocumentKind, DocumentKind.NUMBERS, DocumentKind.TCB_INFO, DocumentKind.QE_IDENTITY],
        key=list(DocumentKind).index,
    )


def test_one_object_has_all_but_the_numbers(tmp_path: Path) -> None:
    (tmp_path / "collateral.json").write_text(json.dumps(_fields()))
    kinds = [each.kind for each in load_collateral(tmp_path)]
    assert kinds == [kind for kind in DocumentKind if kind is not DocumentKind.NUMBERS]


def _without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda fields: {key: value for key, value in fields.items() if key != name}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without("tcb_info"), "tcb_info is NoneType, wanted text"),
        (_without("pck_crl_issuer_chain"), "pck_crl_issuer_chain is NoneType"),
        (lambda fields: fields | {"root_ca_crl": 5}, "root_ca_crl is int"),
        (lambda fields: fields | {"tcb_info_signature": "zz"}, "is not 64 bytes in hex"),
        (lambda fields: fields | {"qe_identity_signature": "00"}, "is not 64 bytes in hex"),
        (lambda fields: [fields], "JSON of another kind than an object"),
    ],
)
def test_an_object_that_lacks_something_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    path = tmp_path / "collateral.json"
    path.write_text(json.dumps(change(_fields())))
    with pytest.raises(MalformedEvidence, match=said) as caught:
        load_collateral(tmp_path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b"{", "not JSON"),
        ("a.json", b'{"tcbInfo":{}}', "reply is not"),
        ("a.json", b"[" * (MAX_MARKS + 1), f"{MAX_MARKS + 1} of the marks"),
        ("a.pem", b"nothing", "other text"),
        ("a.crl", b"nothing", "neither DER"),
        ("a.der", b"\x30" * (MAX_FILE + 1), f"more than {MAX_FILE} bytes"),
    ],
)
def test_a_file_that_is_something_else_is_named(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MalformedEvidence, match=f"{name}: .*{said}"):
        load_collateral(tmp_path)


def test_an_empty_folder_a_missing_one_and_a_crowd_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CollateralUnavailable, match="0 files of collateral"):
        load_collateral(tmp_path)
    with pytest.raises(CollateralUnavailable, match="cannot be read: No such file"):
        load_collateral(tmp_path / "absent")
    for number in range(MAX_FILES + 1):
        (tmp_path / f"{number}.pem").touch()
    with pytest.raises(CollateralUnavailable, match=f"wanted 1 to {MAX_FILES}"):
        load_collateral(tmp_path)


def _recorded() -> list[Any]:
    if VECTORS is None:
        return []
    found = sorted(Path(VECTORS).glob("*/*/collateral.json"))
    return [
        pytest.param(path.parent, id=f"{path.parts[-3]}-{path.parts[-2]}")
        for path in found
        if path.parts[-3] in ("sgx", "tdx")
    ]


@pytest.mark.skipif(VECTORS is None, reason="ORACLE_VECTORS is not set")
@pytest.mark.parametrize("folder", _recorded())
def test_recorded_collateral_is_read(folder: Path) -> None:
    documents = load_collateral(folder)
    kinds = [each.kind for each in documents]
    assert kinds == [kind for kind in DocumentKind if kind is not DocumentKind.NUMBERS]
