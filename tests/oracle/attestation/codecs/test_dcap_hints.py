"""Hints hold what the contract needs, and say before what it will find."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import dcap_qvl
import pytest

from enclave.domain.errors import AppraisalFailed, AttestationError
from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.dcap import DcapQuote, parse_pem_chain, split_quote
from oracle.attestation.codecs.dcap_hints import DcapHints, build_hints, hints_of_refusal
from oracle.attestation.codecs.pck import parse_machine
from oracle.attestation.codecs.pcs import (
    parse_evaluation_numbers,
    parse_qe_identity,
    parse_tcb_info,
)
from oracle.attestation.codecs.tcb_proofs import level_proof, module_proof
from oracle.attestation.codecs.tcb_tables import STATUS_NAMES, QeIdentity, TcbInfo, TcbStatus
from oracle.devnet.silicon.documents import render_qe_identity, render_tcb_info
from oracle.devnet.silicon.quotes import (
    QE_SVN,
    TD_ATTRIBUTES,
    QuoteForm,
    td15_report_body,
    td_report_body,
)
from oracle.devnet.silicon.vendor import SiliconVendor

NOW = datetime(2031, 6, 1, 12, tzinfo=UTC)
VENDOR = SiliconVendor(now=NOW - timedelta(days=40))
PUBLISHED = VENDOR.collateral.publish(now=NOW)
INFO = {tee: parse_tcb_info(signed.text) for tee, signed in PUBLISHED.tcb_info.items()}
IDENTITY = {tee: parse_qe_identity(signed.text) for tee, signed in PUBLISHED.qe_identity.items()}
NUMBERS = {tee: parse_evaluation_numbers(text.text) for tee, text in PUBLISHED.numbers.items()}
TEES = list(INFO)
VECTORS = os.environ.get("ORACLE_VECTORS")
INTEL_ROOT = "roots/intel-sgx-root-ca.pem"
#: What Intel says of quoting enclaves and TDX modules; of platforms it says more.
OF_ENCLAVES = (TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE, TcbStatus.REVOKED)
OF_PLATFORMS = [status for status in TcbStatus if status <= TcbStatus.REVOKED]


def _svns(minor: int, major: int = 1, third: int = 6) -> bytes:
    """TEE_TCB_SVN under a TDX module; the platform meets the third version, if it is 6."""
    return bytes((minor, major, third)) + bytes(13)


def _td(svns: bytes, present: bytes | None = None, *, seam: bytes = bytes(56)) -> bytes:
    """A quote of a trust domain under a TDX module; of TD 1.5 if another module runs now."""
    body = td_report_body(td_attributes=TD_ATTRIBUTES, mrtd=bytes(48), report_data=bytes(64))
    body = svns + body[16:64] + seam + body[120:]
    if present is None:
        return VENDOR.sign_body(QuoteForm.TDX_V4, body)
    body = td15_report_body(body)
    return VENDOR.sign_body(QuoteForm.TDX_V5_TD15, body[:584] + present + body[600:])


def _quote(form: QuoteForm) -> DcapQuote:
    return split_quote(VENDOR.quote(form, measurement=bytes(48), report_data=bytes(64)))


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Hints, read as the contract reads them."""

    machine: bytes
    numbers: tuple[int, int]
    identity: bytes
    items: tuple[bytes, ...]


def _unpacked(hints: bytes) -> Unpacked:
    items = []
    at = 220
    while at < len(hints):
        size = int.from_bytes(hints[at : at + 2], "big")
        items.append(hints[at + 2 : at + 2 + size])
        at += 2 + size
    assert at == len(hints)
    numbers = tuple(int.from_bytes(hints[i : i + 4], "big") for i in (138, 142))
    return Unpacked(hints[:138], (numbers[0], numbers[1]), hints[146:220], tuple(items))


def _decided(raw: bytes, info: TcbInfo, identity: QeIdentity) -> tuple[str, list[str]]:
    """What the reference library says under other tables of the emulated vendor."""
    office, tee = VENDOR.collateral, info.tee
    published = replace(
        PUBLISHED,
        tcb_info={tee: office.sign(render_tcb_info(info))},
        qe_identity={tee: office.sign(render_qe_identity(identity))},
    )
    fields = office.quote_collateral(tee, published)
    return _verified(raw, fields, VENDOR.chain.root.der, int(NOW.timestamp()))


def _verified(raw: bytes, fields: dict[str, str], root: bytes, now: int) -> tuple[str, list[str]]:
    collateral = dcap_qvl.QuoteCollateralV3.from_json(json.dumps(fields))
    report = dcap_qvl.verify_with_root_ca(raw, collateral, root, now)
    return report.status, list(report.advisory_ids)


def _graded(
    platform: TcbStatus, module: TcbStatus, enclave: TcbStatus
) -> tuple[TcbInfo, QeIdentity]:
    """Tables in which each part has one level with this status and an advisory of its own."""
    info, identity = INFO[TeeKind.TDX], IDENTITY[TeeKind.TDX]
    (level,) = info.levels
    grade = replace(level.grade, status=platform, advisories=("INTEL-SA-00001",))
    newest, one, last = info.modules
    first = replace(one.levels[0], status=module, advisories=("INTEL-SA-00002",))
    modules = (newest, replace(one, levels=(first,)), last)
    qe = replace(identity.levels[0], status=enclave, advisories=("INTEL-SA-00003",))
    tables = replace(info, levels=(replace(level, grade=grade),), modules=modules)
    return tables, replace(identity, levels=(qe,))


@pytest.mark.parametrize("form", QuoteForm)
def test_hints_have_a_head_and_the_items_of_the_form(form: QuoteForm) -> None:
    quote, info, identity = _quote(form), INFO[form.tee], IDENTITY[form.tee]
    hints = build_hints(quote, info, identity, NUMBERS[form.tee])
    machine = parse_machine(VENDOR.chain.pck.certificate, ca_id=quote.ca.id)
    read = _unpacked(hints.packed)
    assert hints.machine == machine
    assert (read.machine, read.identity) == (machine.packed, identity.identity)
    assert read.numbers == (info.number, identity.number)
    module = (module_proof(info, 2), b"") if form.tee is TeeKind.TDX else ()
    assert read.items == (
        NUMBERS[form.tee].table,
        level_proof(identity.levels, 0),
        b"",
        level_proof(info.levels, 0),
        b"",
        *module,
    )
    assert (hints.status, hints.advisories) == (TcbStatus.UP_TO_DATE, ())


@pytest.mark.parametrize("tee", TEES)
def test_numbers_need_not_be_shown(tee: TeeKind) -> None:
    quote = _quote(QuoteForm.oldest(tee))
    shown = build_hints(quote, INFO[tee], IDENTITY[tee], NUMBERS[tee])
    hidden = build_hints(quote, INFO[tee], IDENTITY[tee])
    assert _unpacked(hidden.packed).items[0] == b""
    assert _unpacked(hidden.packed).items[1:] == _unpacked(shown.packed).items[1:]


def test_a_modules_level_and_advisories_are_shown() -> None:
    ok = TcbStatus.UP_TO_DATE
    info, identity = _graded(ok, ok, ok)
    hints = build_hints(split_quote(_td(_svns(5))), info, identity)
    names = (b'"INTEL-SA-00003"', b'"INTEL-SA-00001"', b'"INTEL-SA-00002"')
    items = _unpacked(hints.packed).items
    assert items[2::2] == names
    assert items[5] == module_proof(info, 1) + level_proof(info.modules[1].levels, 0)
    assert b",".join(names) == b",".join(b'"%s"' % n.encode() for n in hints.advisories)


def test_the_present_module_is_shown_only_if_it_is_another() -> None:
    info, identity = INFO[TeeKind.TDX], IDENTITY[TeeKind.TDX]
    alone = build_hints(split_quote(_td(_svns(5), _svns(5))), info, identity)
    updated = build_hints(split_quote(_td(_svns(5), _svns(6, 3))), info, identity)
    assert len(_unpacked(alone.packed).items) == 7
    items = _unpacked(updated.packed).items
    assert items[:7] == _unpacked(alone.packed).items
    assert items[7:9] == items[3:5]
    assert items[9:] == (module_proof(info, 0) + level_proof(info.modules[0].levels, 0), b"")


@pytest.mark.parametrize(
    ("platform", "module", "enclave"), list(product(OF_PLATFORMS, OF_ENCLAVES, OF_ENCLAVES))
)
def test_the_status_is_the_reference_librarys(
    platform: TcbStatus, module: TcbStatus, enclave: TcbStatus
) -> None:
    raw = _td(_svns(5))
    info, identity = _graded(platform, module, enclave)
    hints = build_hints(split_quote(raw), info, identity)
    if TcbStatus.REVOKED in (platform, module, enclave):
        assert hints.status is TcbStatus.REVOKED
        with pytest.raises(ValueError, match="status is invalid: Revoked"):
            _decided(raw, info, identity)
        return
    status, advisories = _decided(raw, info, identity)
    assert STATUS_NAMES[hints.status] == status
    assert sorted(hints.advisories) == sorted(advisories)


@pytest.mark.parametrize(("platform", "enclave"), list(product(OF_PLATFORMS, OF_ENCLAVES)))
def test_a_relaunch_is_advised_where_the_reference_library_does(
    platform: TcbStatus, enclave: TcbStatus
) -> None:
    """The module was out of date at launch and is not now."""
    raw = _td(_svns(3), _svns(5))
    info, identity = _graded(platform, TcbStatus.UP_TO_DATE, enclave)
    old = INFO[TeeKind.TDX].modules[1]
    info = replace(info, modules=(info.modules[0], old, info.modules[2]))
    hints = build_hints(split_quote(raw), info, identity)
    if TcbStatus.REVOKED in (platform, enclave):
        assert hints.status is TcbStatus.REVOKED
        return
    assert STATUS_NAMES[hints.status] == _decided(raw, info, identity)[0]
    is_late = TcbStatus.OUT_OF_DATE in (platform, enclave) or "OUT_OF_DATE" in platform.name
    assert (hints.status >= TcbStatus.TD_RELAUNCH_ADVISED) is not is_late


def test_a_module_that_is_worse_now_than_at_launch_does_not_count() -> None:
    info, identity = INFO[TeeKind.TDX], IDENTITY[TeeKind.TDX]
    hints = build_hints(split_quote(_td(_svns(5), _svns(3))), info, identity)
    assert hints.status is TcbStatus.UP_TO_DATE


def _unmet(quote: DcapQuote, info: TcbInfo, identity: QeIdentity, said: str) -> Unpacked:
    """The hints of a quote that no hints are built for."""
    with pytest.raises(AppraisalFailed, match=said):
        build_hints(quote, info, identity)
    return _unpacked(hints_of_refusal(quote, info, identity))


def test_an_enclave_below_every_level_is_shown_the_whole_table() -> None:
    tee = TeeKind.SGX
    levels = tuple(replace(level, svn=QE_SVN + 1) for level in IDENTITY[tee].levels)
    identity = replace(IDENTITY[tee], levels=levels)
    quote = _quote(QuoteForm.SGX_V3)
    read = _unmet(quote, INFO[tee], identity, f"version {QE_SVN} meets none of 2")
    assert read.items[1:3] == (b"".join(level.packed for level in levels) + bytes(32), b"")


@pytest.mark.parametrize("tee", TEES)
def test_a_platform_below_every_level_is_shown_the_whole_table(tee: TeeKind) -> None:
    (level,) = INFO[tee].levels
    higher = replace(level, sgx=bytes((level.sgx[0] + 1,)) + level.sgx[1:])
    info = replace(INFO[tee], levels=(higher, higher))
    read = _unmet(_quote(QuoteForm.oldest(tee)), info, IDENTITY[tee], "none of 2 TCB levels")
    assert read.items[3:5] == (2 * higher.packed + bytes(32), b"")


def test_the_modules_own_versions_are_not_the_platforms() -> None:
    (level,) = INFO[TeeKind.TDX].levels
    higher = replace(level, tdx=b"\xff\xff" + level.tdx[2:])
    info, identity = replace(INFO[TeeKind.TDX], levels=(higher,)), IDENTITY[TeeKind.TDX]
    assert build_hints(split_quote(_td(_svns(5))), info, identity).status is TcbStatus.UP_TO_DATE
    _unmet(split_quote(_td(_svns(255, 0))), info, identity, "none of 1 TCB levels")
    third = replace(level, tdx=bytes((0, 0, 7)) + bytes(13))
    info = replace(info, levels=(third,))
    _unmet(split_quote(_td(_svns(5))), info, identity, "none of 1 TCB levels")


def test_a_module_below_every_level_is_shown_the_whole_table() -> None:
    info, identity = INFO[TeeKind.TDX], IDENTITY[TeeKind.TDX]
    proof = module_proof(info, 1) + level_proof(info.modules[1].levels, 1)
    read = _unmet(split_quote(_td(_svns(1))), info, identity, "version 1 meets none of 2")
    assert read.items[5:] == (proof, b"")
    read = _unmet(split_quote(_td(_svns(5), _svns(1))), info, identity, "version 1 meets none")
    assert read.items[9:] == (proof, b"")


def test_an_unknown_module_is_shown_another() -> None:
    info, identity = INFO[TeeKind.TDX], IDENTITY[TeeKind.TDX]
    read = _unmet(split_quote(_td(_svns(5, 7))), info, identity, "TDX module 7 is none of")
    assert read.items[5:] == (module_proof(info, 2), b"")


@pytest.mark.parametrize("at", [0, 47, 48, 55])
def test_a_module_of_another_signer_or_with_other_attributes_is_refused(at: int) -> None:
    info, identity = INFO[TeeKind.TDX], IDENTITY[TeeKind.TDX]
    seam = bytearray(56)
    seam[at] = 1
    quote = split_quote(_td(_svns(5), seam=bytes(seam)))
    _unmet(quote, info, identity, "TDX module 1 is")
    one = replace(info.modules[1], attributes=b"\1" + bytes(7))
    other = replace(info, modules=(info.modules[0], one, info.modules[2]))
    updated = split_quote(_td(_svns(5, 3), _svns(5)))
    _unmet(updated, other, identity, "TDX module 1 is")
    masked = [replace(m, mask=bytes(8)) for m in info.modules]
    info = replace(info, modules=tuple(masked))
    if at >= 48:
        assert build_hints(quote, info, identity).status is TcbStatus.UP_TO_DATE
    else:
        _unmet(quote, info, identity, "TDX module 1 is")


@pytest.mark.parametrize("at", [0, 8, 40, 72, 73])
@pytest.mark.parametrize("tee", TEES)
def test_another_quoting_enclave_is_refused(tee: TeeKind, at: int) -> None:
    told = bytearray(IDENTITY[tee].identity)
    told[at] ^= 0x20
    quote = _quote(QuoteForm.oldest(tee))
    with pytest.raises(AppraisalFailed, match="quoting enclave is"):
        build_hints(quote, INFO[tee], replace(IDENTITY[tee], identity=bytes(told)))


@pytest.mark.parametrize("tee", TEES)
def test_bits_of_the_quoting_enclave_outside_the_masks_do_not_matter(tee: TeeKind) -> None:
    quote = _quote(QuoteForm.oldest(tee))
    report = bytearray(quote.qe_report)
    report[48] ^= 0x04
    report[56] ^= 0xFF
    other = replace(quote, qe_report=bytes(report))
    assert build_hints(other, INFO[tee], IDENTITY[tee]).status is TcbStatus.UP_TO_DATE


def test_tables_of_another_machine_are_refused() -> None:
    info, identity = INFO[TeeKind.SGX], IDENTITY[TeeKind.SGX]
    for other in (replace(info, fmspc=bytes(6)), replace(info, pce_id=b"\0\1")):
        with pytest.raises(AppraisalFailed, match="FMSPC and PCE id"):
            build_hints(_quote(QuoteForm.SGX_V3), other, identity)


@pytest.mark.parametrize("build", [build_hints, hints_of_refusal])
def test_tables_of_another_tee_are_refused(build: Any) -> None:
    sgx, tdx = TEES
    quote = _quote(QuoteForm.SGX_V3)
    for tables in (
        (INFO[tdx], IDENTITY[sgx]),
        (INFO[sgx], IDENTITY[tdx]),
        (INFO[sgx], IDENTITY[sgx], NUMBERS[tdx]),
    ):
        with pytest.raises(AppraisalFailed, match="of TDX, wanted SGX"):
            build(quote, *tables)


def test_hints_of_refusal_are_those_of_a_quote_that_is_taken() -> None:
    for form in QuoteForm:
        tables = INFO[form.tee], IDENTITY[form.tee], NUMBERS[form.tee]
        quote = _quote(form)
        assert hints_of_refusal(quote, *tables) == build_hints(quote, *tables).packed


def _recorded() -> Iterator[Any]:
    """Every recorded case with collateral: its folder, its entry, its collateral's fields."""
    for tee in ("sgx", "tdx") if VECTORS else ():
        folder = Path(str(VECTORS)) / tee
        entries = json.loads((folder / "manifest.json").read_text())
        files = {e["vector"]: e["file"] for e in entries if e["role"] == "collateral"}
        for case in entries:
            if case["role"] == "evidence" and case["vector"] in files:
                fields = json.loads((folder / files[case["vector"]]).read_text())
                yield pytest.param(folder, case, fields, id=f"{tee}-{case['vector']}")


def _built(raw: bytes, fields: dict[str, str]) -> DcapHints | AttestationError:
    try:
        info = parse_tcb_info(fields["tcb_info"].encode())
        identity = parse_qe_identity(fields["qe_identity"].encode())
        return build_hints(split_quote(raw), info, identity)
    except AttestationError as refused:
        return refused


def _decided_at(
    raw: bytes, fields: dict[str, str], root: bytes, now: int
) -> tuple[str, list[str]] | str:
    try:
        return _verified(raw, fields, root, now)
    except ValueError as refused:
        return str(refused)


@pytest.mark.skipif(VECTORS is None, reason="ORACLE_VECTORS is not set")
@pytest.mark.parametrize(("folder", "case", "fields"), list(_recorded()))
def test_recorded_platforms_have_the_status_that_the_manifest_and_the_reference_say(
    folder: Path, case: dict[str, Any], fields: dict[str, str]
) -> None:
    raw = (folder / case["file"]).read_bytes()
    built = _built(raw, fields)
    status = STATUS_NAMES[built.status] if isinstance(built, DcapHints) else "no matching level"
    # Of synthetic cases the manifest tells the verdict alone.
    assert case.get("tcb_status", status).startswith(status)
    assert case["expected"] != "accept" or status == "UpToDate"
    trusted = case.get("trust_root")
    root = folder / trusted if trusted else folder.parent / INTEL_ROOT
    (anchor,) = parse_pem_chain(root.read_bytes())
    decided = _decided_at(raw, fields, anchor.der, case["verifies_at"]["unix"])
    if isinstance(decided, str):
        # It names the first failure; signatures and revocation are not the hints' affair.
        assert "No matching TCB level" not in decided or isinstance(built, AppraisalFailed)
        assert case["expected"] != "accept", decided
        return
    assert isinstance(built, DcapHints), built
    assert (status, sorted(set(built.advisories))) == (decided[0], sorted(decided[1]))


SVNS = (2, 4, 5)
COMPONENTS = (3, 4, 5, 6)


@pytest.mark.parametrize("launch", list(product(SVNS, COMPONENTS)))
def test_two_modules_come_to_what_the_reference_library_says(launch: tuple[int, int]) -> None:
    """Whatever the versions of module and platform at launch and now."""
    info, identity = _with_levels()
    for now in product(SVNS, COMPONENTS):
        raw = _td(*(_svns(minor, third=third) for minor, third in (launch, now)))
        status = build_hints(split_quote(raw), info, identity).status
        assert STATUS_NAMES[status] == _decided(raw, info, identity)[0], (launch, now)


def _with_levels() -> tuple[TcbInfo, QeIdentity]:
    """Tables of a platform with four levels and of a module with three."""
    info = INFO[TeeKind.TDX]
    (level,) = info.levels
    first, module, last = info.modules
    late, both = TcbStatus.OUT_OF_DATE, TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED
    of_platform = ((6, TcbStatus.UP_TO_DATE), (5, TcbStatus.CONFIGURATION_NEEDED), (4, late))
    levels = tuple(
        replace(level, tdx=_svns(0, 0, component), grade=replace(level.grade, status=status))
        for component, status in (*of_platform, (3, both))
    )
    of_module = ((5, TcbStatus.UP_TO_DATE), (4, TcbStatus.UP_TO_DATE), (2, late))
    svns = tuple(replace(module.levels[0], svn=svn, status=status) for svn, status in of_module)
    modules = (first, replace(module, levels=svns), last)
    return replace(info, levels=levels, modules=modules), IDENTITY[TeeKind.TDX]
