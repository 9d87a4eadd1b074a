import pytest
from rich.console import Console

from oracle.cli.demo_view import FeedRow, RoundView, SignerView, decimal_text, screen

ROW = FeedRow("BTC/USD", "0x01", "85763.05", 7, 7, "0.7", 100, "85763.05", True, "")
SIGNER = SignerView("0xAb", "TDX", "DEV", "0x" + "22" * 32, 100, is_sandboxed=False)


def shown(view: RoundView, signer: SignerView | None) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(screen(view, signer))
    return capture.get()


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
    text = shown(RoundView(3, 100, "0x" + "33" * 32, 85_189, True, (ROW,), ""), SIGNER)
    assert "85,189 gas · landed" in text
    assert "85763.05" in text
    assert "equal" in text
    assert "NOT sandboxed" in text
    assert "TEE TDX (emulated) · tier DEV" in text


def test_a_reading_that_differs_is_called_so() -> None:
    row = FeedRow("BTC/USD", "0x01", "1.0", 7, 7, "0.7", 100, "1.1", False, "")
    assert "DIFFERS" in shown(RoundView(3, 100, "0x33", 1, False, (row,), ""), None)


def test_a_round_without_a_report_shows_why() -> None:
    text = shown(RoundView(1, 0, "", 0, False, (), "no report within 60 s"), None)
    assert "round 1: no report within 60 s" in text


def test_an_ended_registration_has_no_days_left() -> None:
    assert SIGNER.days_left(10_000) == "0.0"
