import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from enclave.domain.errors import MalformedEvidence
from enclave.domain.evidence import TeeKind
from enclave.domain.report import keccak256
from oracle.attestation.codecs import pcs, tcb_tables
from oracle.devnet.silicon import documents
from oracle.devnet.silicon.vendor import SiliconVendor

NOW = datetime(2031, 6, 1, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
Document = dict[str, Any]
Edit = Callable[[Document], object]


@pytest.fixture(scope="module")
def vendor() -> SiliconVendor:
    return SiliconVendor(now=NOW)


@pytest.fixture(scope="module")
def info(vendor: SiliconVendor) -> tcb_tables.TcbInfo:
    """A TCB info of TDX with two levels and advisories."""
    found = vendor.collateral.tcb_info(TeeKind.TDX, NOW, vendor.collateral.number)
    grade = replace(
        found.levels[0].grade,
        status=tcb_tables.TcbStatus.OUT_OF_DATE,
        advisories=("INTEL-SA-00001", "INTEL-SA-00002"),
    )
    return replace(found, levels=(*found.levels, replace(found.levels[0], grade=grade)))


@pytest.fixture(scope="module")
def document(info: tcb_tables.TcbInfo) -> bytes:
    return documents.render_tcb_info(info)


def _edited(text: bytes, edit: Edit) -> bytes:
    parsed = json.loads(text)
    edit(parsed)
    return json.dumps(parsed, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize("tee", [TeeKind.SGX, TeeKind.TDX])
def test_documents_are_read_as_they_were_written(vendor: SiliconVendor, tee: TeeKind) -> None:
    published = vendor.collateral.publish(now=NOW)
    info = vendor.collateral.tcb_info(tee, NOW, vendor.collateral.number)
    assert pcs.parse_tcb_info(published.tcb_info[tee].text) == info
    numbers = vendor.collateral.evaluation_numbers(tee, NOW)
    assert pcs.parse_evaluation_numbers(published.numbers[tee].text) == numbers
    identity = pcs.parse_qe_identity(published.qe_identity[tee].text)
    assert (identity.tee, identity.number, identity.issued_at) == (tee, 17, AT)
    assert documents.render_qe_identity(identity) == published.qe_identity[tee].text


def test_advisories_and_modules_are_kept(info: tcb_tables.TcbInfo, document: bytes) -> None:
    parsed = pcs.parse_tcb_info(document)
    assert parsed == info
    assert [module.id for module in parsed.modules] == [3, 1, 0]


def test_hexadecimal_digits_of_either_case_are_one_value(document: bytes) -> None:
    def lower(parsed: Document) -> None:
        parsed["fmspc"] = parsed["fmspc"].lower()

    assert pcs.parse_tcb_info(_edited(document, lower)) == pcs.parse_tcb_info(document)


def test_labels_of_components_decide_nothing(document: bytes) -> None:
    def label(parsed: Document) -> None:
        components = parsed["tcbLevels"][0]["tcb"]["sgxtcbcomponents"]
        components[0] |= {"category": "BIOS", "type": "Early Microcode Update"}
        components[1] |= {"category": "OS/VMM"}

    assert pcs.parse_tcb_info(_edited(document, label)) == pcs.parse_tcb_info(document)


def test_modules_may_be_missing_or_none(document: bytes) -> None:
    without = pcs.parse_tcb_info(_edited(document, lambda d: d.pop("tdxModuleIdentities")))
    assert [module.id for module in without.modules] == [0]
    empty = pcs.parse_tcb_info(_edited(document, lambda d: d.update(tdxModuleIdentities=[])))
    assert empty.digest == without.digest
    assert empty.digest != pcs.parse_tcb_info(document).digest


def test_packed_level_has_the_stated_layout(info: tcb_tables.TcbInfo) -> None:
    level = info.levels[1]
    packed = level.packed
    assert len(packed) == 72
    assert packed[:32] == level.sgx + level.tdx
    assert packed[32:35] == level.grade.svn.to_bytes(2, "big") + b"\x05"
    assert int.from_bytes(packed[35:40], "big") == level.grade.date
    assert packed[40:] == keccak256(b'"INTEL-SA-00001","INTEL-SA-00002"')
    assert info.levels[0].packed[40:] == bytes(32)
    assert [len(module.packed) for module in info.modules] == [106, 146, 66]


def test_root_chains_from_the_end() -> None:
    assert tcb_tables.chain_root([]) == bytes(32)
    last = keccak256(b"b" + bytes(32))
    assert tcb_tables.chain_root([b"a", b"b"]) == keccak256(b"a" + last)


def test_digests_name_every_part(info: tcb_tables.TcbInfo, vendor: SiliconVendor) -> None:
    assert info.digest == keccak256(info.pce_id + info.modules_root + info.levels_root)[:16]
    assert replace(info, pce_id=b"\0\1").digest != info.digest
    assert replace(info, modules=info.modules[1:]).digest != info.digest
    text = vendor.collateral.publish(now=NOW).qe_identity[TeeKind.SGX].text
    identity = pcs.parse_qe_identity(text)
    assert identity.digest == keccak256(identity.identity + identity.levels_root)[:16]
    numbers = vendor.collateral.evaluation_numbers(TeeKind.SGX, NOW)
    assert numbers.digest == keccak256(numbers.table)[:16]
    assert len(numbers.table) == 14


def test_reply_is_split_at_the_signature(vendor: SiliconVendor) -> None:
    published = vendor.collateral.publish(now=NOW)
    for name, body in published.replies(TeeKind.SGX).items():
        signed = pcs.split_signed(body + b"\n", name)
        assert signed.text.startswith(b'{"id":')
        assert len(signed.signature) == 64
    assert pcs.split_signed(body, name) == published.numbers[TeeKind.SGX]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"tcbInfo":{},"signature":"00"}',
        b'{"other":{},"signature":"' + b"00" * 64 + b'"}',
        b'{"tcbInfo":{},"signature":"' + b"00" * 64 + b'","more":1}',
        b" " * 33_025,
    ],
)
def test_a_reply_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        pcs.split_signed(body, "tcbInfo")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda d: d.update(id="QE"), "id is 'QE'"),
        (lambda d: d.update(id=1), "id is 1"),
        (lambda d: d.update(id="SGX"), "keys are"),
        (lambda d: d.update(version=2), "version is 2"),
        (lambda d: d.update(version=True), "number is True"),
        (lambda d: d.update(tcbType=1), "tcbType is 1"),
        (lambda d: d.update(tcbEvaluationDataNumber=-1), "number is -1"),
        (lambda d: d.update(tcbEvaluationDataNumber=2**32), "number is"),
        (lambda d: d.update(fmspc="00"), "hexadecimal"),
        (lambda d: d.update(fmspc=0), "hexadecimal"),
        (lambda d: d.update(issueDate="2025-02-29T00:00:00Z"), "time is"),
        (lambda d: d.update(issueDate="2025-02-28 00:00:00Z"), "time is"),
        (lambda d: d.update(issueDate="1969-12-31T23:59:59Z"), "1970 or later"),
        (lambda d: d.update(issueDate=5), "time is 5"),
        (lambda d: d.update(tcbLevels=[]), "list is empty"),
        (lambda d: d.update(tcbLevels={}), "list is empty"),
        (lambda d: d.update(tcbLevels=d["tcbLevels"] * 33), "longer than 64"),
        (lambda d: d.update(more=1), "keys are"),
        (lambda d: d["tcbLevels"][0].update(tcbStatus="Fine"), "tcbStatus is 'Fine'"),
        (lambda d: d["tcbLevels"][0].update(tcbStatus=1), "tcbStatus is 1"),
        (lambda d: d["tcbLevels"][1].update(advisoryIDs="a"), "no list"),
        (lambda d: d["tcbLevels"][1].update(advisoryIDs=["\\"]), "without escapes"),
        (lambda d: d["tcbLevels"][1].update(advisoryIDs=[1]), "text is 1"),
        (lambda d: d["tcbLevels"].append(1), "keys are int"),
        (lambda d: d["tcbLevels"][0]["tcb"].update(pcesvn=65_536), "number is 65536"),
        (lambda d: d["tcbLevels"][0]["tcb"]["sgxtcbcomponents"].pop(), "no list of 16"),
        (lambda d: d["tcbLevels"][0]["tcb"].update(sgxtcbcomponents=1), "no list of 16"),
        (lambda d: d["tcbLevels"][0]["tcb"]["sgxtcbcomponents"][0].update(svn=256), "256"),
        (lambda d: d["tcbLevels"][0]["tcb"]["sgxtcbcomponents"][0].update(type=1), "text is 1"),
        (
            lambda d: d["tcbLevels"][0]["tcb"]["sgxtcbcomponents"].__setitem__(0, 1),
            "component is",
        ),
        (lambda d: d.update(tdxModuleIdentities=1), "no list"),
        (lambda d: d.update(tdxModuleIdentities=d["tdxModuleIdentities"] * 9), "longer than 16"),
        (lambda d: d["tdxModuleIdentities"][0].update(id="TDX_01"), "one id"),
        (lambda d: d["tdxModuleIdentities"][0].update(id="TDX_00"), "one id"),
        (lambda d: d["tdxModuleIdentities"][0].update(id="TD_03"), "module id"),
        (lambda d: d["tdxModuleIdentities"][0].update(id=3), "module id"),
        (lambda d: d["tdxModuleIdentities"][0].update(id="TDX_003"), "hexadecimal"),
        (lambda d: d["tdxModule"].update(mrsigner="00"), "hexadecimal"),
    ],
)
def test_an_ill_tcb_info_is_refused(document: bytes, edit: Edit, said: str) -> None:
    with pytest.raises(MalformedEvidence, match=said):
        pcs.parse_tcb_info(_edited(document, edit))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"a":1.0}',
        b'{"a":NaN}',
        b'{"a":1,"a":1}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b'{"a":"\\u0041"}',
        b'{"a":"\\ud800"}',
        b"[" * 30_000,
        b" " * 32_769,
    ],
)
def test_what_is_not_compact_json_is_refused(text: bytes) -> None:
    for parse in (pcs.parse_tcb_info, pcs.parse_qe_identity, pcs.parse_evaluation_numbers):
        with pytest.raises(MalformedEvidence):
            parse(text)


def test_an_ill_identity_is_refused(vendor: SiliconVendor) -> None:
    text = vendor.collateral.publish(now=NOW).qe_identity[TeeKind.SGX].text
    edits: list[Edit] = [
        lambda d: d.update(id="QVE"),
        lambda d: d.update(version=3),
        lambda d: d.update(isvprodid=2**16),
        lambda d: d.update(mrsigner="00"),
        lambda d: d.update(tcbLevels=[]),
        lambda d: d["tcbLevels"][0].update(tcb={"svn": 1}),
    ]
    for edit in edits:
        with pytest.raises(MalformedEvidence):
            pcs.parse_qe_identity(_edited(text, edit))


def test_ill_numbers_are_refused(vendor: SiliconVendor) -> None:
    text = vendor.collateral.publish(now=NOW).numbers[TeeKind.SGX].text
    edits: list[Edit] = [
        lambda d: d.update(id="QE"),
        lambda d: d.update(version=2),
        lambda d: d.update(tcbEvalNumbers=[]),
        lambda d: d["tcbEvalNumbers"][0].update(tcbDate="now"),
        lambda d: d["tcbEvalNumbers"][0].pop("tcbDate"),
    ]
    for edit in edits:
        with pytest.raises(MalformedEvidence):
            pcs.parse_evaluation_numbers(_edited(text, edit))


@pytest.mark.parametrize(
    "status",
    [
        "UpToDate",
        "SWHardeningNeeded",
        "ConfigurationNeeded",
        "ConfigurationAndSWHardeningNeeded",
        "OutOfDate",
        "OutOfDateConfigurationNeeded",
        "Revoked",
    ],
)
def test_every_status_has_its_number(document: bytes, status: str) -> None:
    text = _edited(document, lambda d: d["tcbLevels"][0].update(tcbStatus=status))
    read = pcs.parse_tcb_info(text).levels[0].grade.status
    assert read.name.replace("_", "").lower() == status.lower()
