from typing import Any

import pytest

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs.hcl import (
    MAX_REPORT,
    Hardware,
    HclReport,
    parse_hcl_report,
    parse_runtime_data,
    quote_body,
    show_hcl_report,
    show_td_report,
)
from oracle.attestation.findings import Malformed
from tests.fakes import tpm_evidence
from tests.fakes.hcl_reports import (
    SETTINGS,
    SNP,
    TDX,
    USER_DATA,
    hcl_report,
    jwk,
    runtime_data,
    td_report,
)
from tests.fakes.layouts import check_places

AK = tpm_evidence.rsa_key("attestation key")
EK = tpm_evidence.rsa_key("endorsement key")
RUNTIME = runtime_data(AK, EK)
SNP_REPORT = bytes(range(256)) * 4 + bytes(range(160))
TD_REPORT = bytes(range(255, -1, -1)) * 4


@pytest.mark.parametrize(
    ("kind", "hardware", "report"),
    [(SNP, Hardware.SNP, SNP_REPORT), (TDX, Hardware.TDX, TD_REPORT)],
)
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("rest", [b"", bytes(1000)])
def test_a_report_is_taken_apart(
    kind: int, hardware: Hardware, report: bytes, version: int, rest: bytes
) -> None:
    raw = hcl_report(kind, report, RUNTIME, version=version, rest=rest)
    assert parse_hcl_report(raw) == HclReport(version, hardware, report, RUNTIME)
    check_places(show_hcl_report(raw), raw)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"signature": b"HCLB"}, "signature"),
        ({"version": 3}, "version"),
        ({"version": 0}, "version"),
        ({"report_size": 1236}, "report_size, data_size"),
        ({"request_type": 1}, "request_type"),
        ({"data_size": 20}, "report_size, data_size"),
        ({"data_version": 2}, "version"),
        ({"report_type": 1}, "report_type"),
        ({"report_type": 3}, "report_type"),
        ({"hash_type": 2}, "report_data_hash_type"),
        ({"variable_data_size": 0}, "report_size, data_size"),
        ({"rest": b"\0\1"}, "rest"),
    ],
)
def test_other_reports_are_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed) as refusal:
        parse_hcl_report(hcl_report(SNP, SNP_REPORT, RUNTIME, **changes))
    assert refusal.value.subject == f"HCL report {field}"


def test_the_slot_behind_a_td_report_is_empty() -> None:
    with pytest.raises(Malformed, match="zeros behind hardware report"):
        parse_hcl_report(hcl_report(TDX, TD_REPORT + bytes(159) + b"\1", RUNTIME))


def test_a_size_beyond_the_file_is_refused() -> None:
    most = 0xFFFF_0000
    sizes = {"report_size": 1236 + most, "data_size": 20 + most, "variable_data_size": most}
    with pytest.raises(Malformed, match="runtime data"):
        parse_hcl_report(hcl_report(SNP, SNP_REPORT, RUNTIME, **sizes))


def test_every_truncation_is_refused() -> None:
    raw = hcl_report(SNP, SNP_REPORT, RUNTIME, rest=b"")
    for size in range(len(raw)):
        with pytest.raises(Malformed):
            parse_hcl_report(raw[:size])


def test_size_is_bounded() -> None:
    raw = hcl_report(SNP, SNP_REPORT, RUNTIME, rest=bytes(MAX_REPORT))
    with pytest.raises(Malformed, match=f"at most {MAX_REPORT}"):
        parse_hcl_report(raw)


def test_runtime_data_are_read() -> None:
    read = parse_runtime_data(RUNTIME)
    assert read.attestation_key == AK.public_key()
    assert read.user_data == USER_DATA
    assert read.settings == {
        "root-cert-thumbprint": "",
        "console-enabled": True,
        "secure-boot": True,
        "tpm-enabled": True,
        "tpm-persisted": False,
        "unique-id": SETTINGS["vmUniqueId"],
    }


def test_older_runtime_data_have_no_user_data() -> None:
    assert parse_runtime_data(runtime_data(AK, EK, user_data=None)).user_data is None


def test_settings_of_other_kinds_are_left_out() -> None:
    settings = {"current-time": 1_700_000_000, "list": [1], "nothing": None, "inner": {}}
    read = parse_runtime_data(runtime_data(AK, EK, vm_configuration=settings))
    assert read.settings == {"current-time": 1_700_000_000}


_NAMED = jwk(AK, "HCLAkPub", "sign")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        RUNTIME + b"\0",
        RUNTIME.replace(b'"user-data"', b'"keys"'),
        runtime_data(AK, EK, keys=None),
        runtime_data(AK, EK, keys={}),
        runtime_data(AK, EK, keys=[]),
        runtime_data(AK, EK, keys=["HCLAkPub"]),
        runtime_data(AK, EK, keys=[jwk(AK, "HCLEkPub", "sign")]),
        runtime_data(AK, EK, keys=[_NAMED, jwk(EK, "HCLAkPub", "sign")]),
        runtime_data(AK, EK, keys=[{**_NAMED, "kty": "EC"}]),
        runtime_data(AK, EK, keys=[{**_NAMED, "n": "AQAB"}]),
        runtime_data(AK, EK, keys=[{**_NAMED, "n": 5}]),
        runtime_data(AK, EK, keys=[{**_NAMED, "e": None}]),
        runtime_data(AK, EK, vm_configuration=None),
        runtime_data(AK, EK, vm_configuration=[]),
        runtime_data(AK, EK, vm_configuration={"a b": 1}),
        runtime_data(AK, EK, vm_configuration={"": 1}),
        runtime_data(AK, EK, vm_configuration={"vm-unique-id": 1, "vmUniqueId": 2}),
        runtime_data(AK, EK, user_data=""),
        runtime_data(AK, EK, user_data=5),
        runtime_data(AK, EK, user_data="00" * 63),
        runtime_data(AK, EK, user_data="0 " * 64),
    ],
    ids=range(23),
)
def test_other_runtime_data_are_refused(raw: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        parse_runtime_data(raw)


def test_a_td_report_tells_the_body_of_its_quote() -> None:
    body = bytes(at * 7 % 256 for at in range(648))
    assert quote_body(td_report(body)) == body
    assert len(td_report(body)) == 1024
    assert quote_body(td_report(body[:584])) == body[:584] + bytes(64)


def test_a_td_report_is_shown_where_its_quote_takes_it_from() -> None:
    body = bytes(at * 7 % 256 for at in range(648))
    report = td_report(body)
    tree = show_td_report(report)
    check_places(tree, report)
    shown = {leaf.name: leaf.value for group in tree.children for leaf in group.children}
    assert shown["mrseam"] == body[16:64].hex()
    assert shown["mrtd"] == body[136:184].hex()
    assert shown["rtmr3"] == body[472:520].hex()
    assert shown["reportdata"] == body[520:584].hex()
    assert shown["servtd_hash"] == body[600:].hex()


def test_flipped_bits_give_another_value_or_a_typed_error() -> None:
    for raw, decode in (
        (hcl_report(SNP, SNP_REPORT, RUNTIME), parse_hcl_report),
        (RUNTIME, parse_runtime_data),
    ):
        for bit in range(0, len(raw) * 8, 11):
            flipped = bytearray(raw)
            flipped[bit // 8] ^= 1 << bit % 8
            try:
                decode(bytes(flipped))
            except MalformedEvidence:
                continue
