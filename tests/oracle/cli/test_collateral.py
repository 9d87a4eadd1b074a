"""`oracle collateral`: what it shows, and which platforms it understands."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from enclave.domain.errors import ConfigError
from enclave.domain.evidence import TeeKind
from oracle.attestation.endorsements.documents import DocumentKind
from oracle.attestation.endorsements.pcs import PckCa, Platform
from oracle.chain.base import Receipt
from oracle.cli import build_app
from oracle.cli.collateral import parse_platform
from oracle.cli.collateral_view import Deliveries, closing, table, view
from oracle.collateral.update import Brought
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.fakes.pcs import AT, NOW, machine
from tests.oracle.collateral.test_plan import chain_of, documents_of

CONTRACT = "0x" + "cc" * 20
VENDOR = SiliconVendor(now=NOW)


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        (
            "tdx:b0c06f000000:platform",
            Platform(TeeKind.TDX, bytes.fromhex("b0c06f000000"), PckCa.PLATFORM),
        ),
        (
            "SGX:00606A000000:Processor",
            Platform(TeeKind.SGX, bytes.fromhex("00606a000000"), PckCa.PROCESSOR),
        ),
    ],
)
def test_a_platform_is_named_by_tee_family_and_ca(text: str, platform: Platform) -> None:
    assert parse_platform(text) == platform


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tdx",
        "tdx:b0c06f000000",
        "snp:b0c06f000000:platform",
        "tdx:b0c06f0000:platform",
        "tdx:b0 c0 6f 00 :platform",
        "tdx:zzzzzzzzzzzz:platform",
        "tdx:b0c06f000000:root",
        "tdx:b0c06f000000:platform:x",
    ],
)
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="wanted TEE:FMSPC:CA"):
        parse_platform(text)


async def test_each_document_has_its_row() -> None:
    documents = await documents_of(VENDOR)
    shown = view(machine(VENDOR), CONTRACT, documents, chain_of(documents, days=10))
    assert shown["usable"]
    info = next(row for row in shown["documents"] if row["document"].startswith("TCB info"))
    assert info == {
        "document": "TCB info TDX e0e000000000, number 17",
        "number": 17,
        "issued_at": AT,
        "valid_until": AT + 30 * 86_400,
        "days_left": 20.0,
        "fault": "",
        "source_issued_at": AT,
        "source_ends_at": AT + 30 * 86_400,
        "due": False,
    }
    lines = table(shown)
    assert lines[0] == f"TDX platform e0e000000000, platform CA, at {CONTRACT}"
    assert len(lines) == 2 + len(documents)
    assert "20.00" in lines[-1]
    assert "2031-06-01T12:00:00Z" in lines[-1]


async def test_what_cannot_be_used_says_why() -> None:
    documents = await documents_of(VENDOR)
    state = chain_of(documents, days=31)
    missing = next(each for each in documents if each.kind is DocumentKind.PCK_CA)
    kept = {place: what for place, what in state.kept.items() if place != missing.place}
    shown = view(machine(VENDOR), CONTRACT, documents, replace(state, kept=kept))
    rows = {row["document"]: row for row in shown["documents"]}
    assert not shown["usable"]
    assert rows["PCK CRL"]["fault"] == "ended"
    assert (rows["PCK CA certificate"]["fault"], rows["PCK CA certificate"]["due"]) == (
        "missing",
        True,
    )
    assert rows["PCK CA certificate"]["valid_until"] is None
    assert any("missing" in line and "to bring" in line for line in table(shown))
    said = closing(shown | {"brought": [], "gas_used": 0})
    assert said.startswith("nothing newer; nothing was sent; ")
    assert "PCK CRL is ended" in said


async def test_deliveries_are_said_and_counted() -> None:
    documents = await documents_of(VENDOR)
    said: list[str] = []
    deliveries = Deliveries(said.append)
    deliveries.note(Brought(documents[0], Receipt(b"\x07" * 32, 1, True, 90_000, 1)))
    deliveries.note(Brought(documents[1], None))
    assert said == [
        f"root CRL: 90000 gas, transaction 0x{'07' * 32}",
        "TCB signing certificate: brought by another one meanwhile",
    ]
    shown = deliveries.view()
    assert (len(shown["brought"]), shown["gas_used"]) == (1, 90_000)
    assert closing(shown | {"documents": []}) == "1 brought, 90000 gas"


@pytest.mark.parametrize("command", ["status", "update"])
def test_help_says_what_it_needs(command: str) -> None:
    done = CliRunner().invoke(build_app("collateral"), ["collateral", command, "--help"])
    assert done.exit_code == 0
    assert "Exit status 3" in " ".join(done.output.split())
