import json

import pytest

from oracle.cli.demo_scenarios import Narrator, ScenarioName
from oracle.devnet.scenarios import Step

RIGHT = Step("chain", "the signer is valid", {"cause": "age"}, is_right=True)
WRONG = Step("chain", "the hub accepts no report", {"accepted": 1}, is_right=False)


def narrator(*, is_json: bool = True) -> Narrator:
    return Narrator(ScenarioName.EXPIRY, is_json=is_json)


def test_steps_are_told_at_once_and_shown_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    told = narrator()
    told.begin()
    told.tell(RIGHT)
    seen = capsys.readouterr()
    assert "EMULATED" in seen.err
    assert "scenario expiry: the vendor stops publishing" in seen.err
    assert "chain  the signer is valid" in seen.err
    assert seen.out == ""
    assert told.finish()
    shown = json.loads(capsys.readouterr().out)
    assert (shown["ok"], shown["scenario"], shown["failure"]) == (True, "expiry", "")
    [step] = shown["steps"]
    assert float(step.pop("at_s")) >= 0
    assert step == {
        "who": "chain",
        "what": "the signer is valid",
        "facts": {"cause": "age"},
        "is_right": True,
    }


@pytest.mark.parametrize("is_json", [True, False])
def test_a_wrong_step_or_a_failure_is_no_success(
    capsys: pytest.CaptureFixture[str], *, is_json: bool
) -> None:
    told = narrator(is_json=is_json)
    told.tell(RIGHT)
    told.tell(WRONG)
    assert "NOT SO: the hub accepts no report" in capsys.readouterr().err
    assert not told.finish()
    other = narrator(is_json=is_json)
    other.tell(RIGHT)
    other.fail("no report landed within 45 s")
    assert "FAILED: no report landed" in capsys.readouterr().err
    assert not other.finish()
    assert "no report landed within 45 s" in capsys.readouterr().out


def test_the_table_says_who_saw_what(capsys: pytest.CaptureFixture[str]) -> None:
    told = narrator(is_json=False)
    told.begin()
    told.tell(RIGHT)
    assert told.finish()
    text = capsys.readouterr().out
    for part in ("EMULATED", "the signer is valid", "as it must be", "expiry: as it must be"):
        assert part in text


def test_brackets_in_what_is_told_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    told = narrator(is_json=False)
    told.tell(Step("node", "[red]fails[/red]", {}, is_right=True))
    assert "[red]fails[/red]" in capsys.readouterr().err
    told.finish()
    assert "[red]fails[/red]" in capsys.readouterr().out
