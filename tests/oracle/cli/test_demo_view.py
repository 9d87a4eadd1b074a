import pytest
from rich.console import Console

from oracle.cli.demo_view import (
    FeedRow,
    NodeView,
    QuorumView,
    RoundView,
    SignerView,
    decimal_text,
    document,
    screen,
)

ROW = FeedRow("BTC/USD", "0x01", "85763.05", 7, 7, "0.7", 100, "85763.05", True, "")
SIGNER = SignerView("0xAb", "TDX", "DEV", "0x" + "22" * 32, 100, is_sandboxed=False)


ALONE = QuorumView(1, (NodeView(1, "0x01", SIGNER),))
SILENT = QuorumView(1, (NodeView(1, "0x01", None),))


def shown(view: RoundView, quorum: QuorumView) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(screen(view, quorum))
    return capture.get()


def round_of(
    *rows: FeedRow, landed: bool = True, problem: str = "", signers: tuple[int, ...] = (1,)
) -> RoundView:
    leader = 0 if problem else 2
    return RoundView(3, 100, "0x" + "33" * 32, 85_189, landed, rows, problem, leader, signers, 4)


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [
        (8_576_305_000_000, 8, "85763.05000000"),
        (1, 8, "0.00000001"),
        (7, 0, "7"),
        (-15, 1, "-1.5"),
        (0, 2, "0.00"),
    ],
)
def test_decimal_text_keeps_every_digit(units: int, decimals: int, text: str) -> None:
    assert decimal_text(units, decimals) == text


def test_a_landed_round_shows_transaction_gas_and_reading() -> None:
    text = shown(round_of(ROW), ALONE)
    assert "85,189 gas · landed" in text
    assert "85763.05" in text
    assert "equal" in text
    assert "NOT sandboxed" in text
    assert "TEE TDX (emulated) · tier DEV" in text
    assert "node" not in text


def test_a_reading_that_differs_is_called_so() -> None:
    row = FeedRow("BTC/USD", "0x01", "1.0", 7, 7, "0.7", 100, "1.1", False, "")
    assert "DIFFERS" in shown(round_of(row, landed=False), SILENT)


def test_a_round_without_a_report_shows_why() -> None:
    text = shown(round_of(landed=False, problem="no report within 60 s", signers=()), SILENT)
    assert "round 3: no report within 60 s" in text


def test_a_round_of_several_nodes_shows_leader_signers_and_who_is_up() -> None:
    nodes = tuple(NodeView(number, f"0x0{number}", SIGNER) for number in range(1, 6))
    text = shown(round_of(ROW, signers=(1, 2, 5)), QuorumView(3, nodes))
    assert "node 5 · signer 0xAb · TEE TDX" in text
    wanted = "3 of 5 must sign · 4 of 5 nodes are up · led by node 2 · signed by nodes 1, 2 and 5"
    assert wanted in text


def test_machines_read_leader_signers_and_every_node() -> None:
    nodes = (NodeView(1, "0x01", SIGNER), NodeView(2, "0x02", None))
    result = document(
        [round_of(ROW, signers=(1, 2))], QuorumView(2, nodes), is_live=False, elapsed_s=1.0
    )
    assert result["quorum"] == 2
    assert [node["operator"] for node in result["nodes"]] == ["0x01", "0x02"]
    assert result["signer"]["address"] == result["nodes"][0]["signer"]["address"] == "0xAb"
    assert result["nodes"][1]["signer"] is None
    [seen] = result["rounds"]
    assert (seen["leader"], seen["signers"], seen["nodes_up"]) == (2, (1, 2), 4)


def test_an_ended_registration_has_no_days_left() -> None:
    assert SIGNER.days_left(10_000) == "0.0"
