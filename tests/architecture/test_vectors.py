"""What `scripts/vectors` makes of manifests, on manifests made here."""

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.vector_kinds import main
from scripts.vector_kinds.market import seconds, time_format


def entry(file: str, expected: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "file": file,
        "venue": "venue",
        "endpoint_url": "https://api.venue.test/ticker",
        "http_status": 200,
        "expected": expected,
        **changes,
    }


GOOD = {
    "price": "1.50",
    "price_path": "$.p",
    "bid": None,
    "timestamp": "1791179110999",
    "timestamp_path": "$.t",
}
BODY = '{"p": 1.50, "t": "1791179110999", "ok": true}'


def run(
    folder: Path, capsys: pytest.CaptureFixture[str], *cases: tuple[dict[str, Any], str]
) -> tuple[int, list[str]]:
    at = folder / "venue"
    at.mkdir(exist_ok=True)
    for case, body in cases:
        (at / case["file"]).write_text(body)
    (at / "manifest.json").write_text(json.dumps([case for case, _ in cases]))
    status = main.main([str(folder)])
    return status, capsys.readouterr().out.splitlines()


def test_a_case_that_agrees_digit_for_digit_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, lines = run(tmp_path, capsys, (entry("a.json", GOOD), BODY))
    assert status == 0
    assert lines == ["pass  venue/a.json  http_json/1", "0 not applicable", "1 passed, 0 failed"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"price": "1.5"}, "price is 1.50, wanted 1.5"),
        ({"price": "1.51"}, "price is 1.50, wanted 1.51"),
        ({"ask": "1.50"}, "ask is absent, wanted 1.50"),
        ({"bid": None, "bid_path": "$.p"}, "bid is 1.50, wanted None"),
        ({"timestamp": "1791179109999"}, "time is 1791179110, wanted 1791179109"),
        ({"price_path": "$.q"}, "SourceMalformed"),
        ({"price_path": "q"}, "ConfigError"),
    ],
)
def test_a_case_that_differs_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], fault: str
) -> None:
    status, lines = run(tmp_path, capsys, (entry("a.json", {**GOOD, **changes}), BODY))
    assert status == 1
    assert lines[0].startswith("FAIL  venue/a.json")
    assert fault in lines[0]
    assert lines[-1] == "0 passed, 1 failed"


def test_exponents_compare_as_decimals_and_stated_exponents_scale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = entry("small.json", {"price": "1.831e-05", "price_path": "$.p"})
    scaled = entry(
        "scaled.json",
        {
            "price": "6140",
            "price_path": "$.p",
            "expo": "-2",
            "expo_path": "$.e",
            "scaled_price": "61.40",
        },
    )
    cases = ((small, '{"p": 1.831e-05}'), (scaled, '{"p": "6140", "e": -2}'))
    assert run(tmp_path, capsys, *cases)[1][-1] == "2 passed, 0 failed"


def test_error_cases_must_raise_and_agree_about_retrying(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limited = {"error": True, "retryable": True}
    unknown = {"error": True, "retryable": False}
    status, lines = run(
        tmp_path,
        capsys,
        (entry("a.json", GOOD), BODY),
        (entry("limited.json", limited), '{"msg": "rate limit"}'),
        (entry("status.json", limited, http_status=429), "{}"),
        (entry("flag.json", limited), BODY.replace("true", "false")),
        (entry("unknown.json", unknown), "{}"),
        (entry("wrong.json", limited), "{}"),
        (entry("price.json", unknown), BODY),
    )
    assert status == 1
    assert [line[:4] for line in lines[:-2]] == ["pass"] * 5 + ["FAIL"] * 2
    assert "a price, wanted an error" in lines[6]


def test_a_venue_of_errors_only_is_read_with_any_paths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = entry("a.json", {"error": True, "retryable": True})
    assert run(tmp_path, capsys, (empty, "[]"))[1][-1] == "1 passed, 0 failed"


def test_what_cannot_be_read_is_counted_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = {"price": None, "bid": "1", "bid_path": "$.b", "ask": "2", "ask_path": "$.a"}
    status, lines = run(
        tmp_path,
        capsys,
        (entry("a.csv", GOOD), "p\n1.50"),
        (entry("a.xml", GOOD), "<p>1.50</p>"),
        (entry("none.json", {"note": "no price"}), "{}"),
        (entry("book.json", book), '{"b": 1, "a": 2}'),
        (entry("crossed.json", {**book, "ask": "3"}), '{"b": 1, "a": 2}'),
    )
    assert status == 1
    assert [line[:4] for line in lines[:-2]] == ["n/a "] * 4 + ["FAIL"]
    assert lines[-2:] == ["4 not applicable", "0 passed, 1 failed"]


def test_a_missing_body_fails_and_other_manifests_are_not_applicable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (
        ("absent", json.dumps([entry("a.json", GOOD)])),
        ("broken", "["),
        ("quotes", '[{"vector": "a"}]'),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(text)
    assert main.main([str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line[:4] for line in lines[:-2]] == ["FAIL", "FAIL", "n/a "]
    assert lines[-2:] == ["1 not applicable", "0 passed, 2 failed"]


def test_a_folder_without_manifests_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main([str(tmp_path)])
    assert caught.value.code == 2
    assert "no manifest.json under" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "form", "at"),
    [
        ("1791179110", "s", 1_791_179_110),
        ("1557906728.2054", "s", 1_557_906_728),
        ("1791179110999", "ms", 1_791_179_110),
        ("1791179110999999", "us", 1_791_179_110),
        ("1651179319310617300", "ns", 1_651_179_319),
        ("2026-10-05", "date", 1_791_158_400),
        ("2026-10-05 05:45:10", "utc", 1_791_179_110),
        ("2026-10-05T01:45:10.055122029-04:00", "iso8601", 1_791_179_110),
    ],
)
def test_moments_are_told_by_their_spelling(text: str, form: str, at: int) -> None:
    assert time_format(text) == form
    assert seconds(text) == at
