"""Claims have their kind and size, and a token its time."""

from typing import Any

import pytest

from oracle.attestation.codecs.jwt import (
    Window,
    check_window,
    flag,
    flat_claims,
    hexadecimal,
    member,
    number,
    text,
    texts,
)
from oracle.attestation.findings import Expired, Malformed, Remedy
from tests.fakes.tokens import EXPIRES_AT, ISSUED_AT, NOW, dates


@pytest.mark.parametrize("now", [ISSUED_AT, NOW, EXPIRES_AT - 1])
def test_a_token_holds_from_its_beginning_until_before_its_end(now: int) -> None:
    assert check_window(dates(), now=now) == Window(ISSUED_AT, EXPIRES_AT)


@pytest.mark.parametrize(
    ("changes", "now", "subject", "remedy"),
    [
        ({}, EXPIRES_AT, "claim exp", Remedy.NEW_EVIDENCE),
        ({}, ISSUED_AT - 1, "claim nbf", Remedy.CHECK_TIME),
        ({"nbf": 0}, ISSUED_AT - 1, "claim iat", Remedy.CHECK_TIME),
    ],
)
def test_a_token_does_not_hold_outside(
    changes: dict[str, int], now: int, subject: str, remedy: Remedy
) -> None:
    with pytest.raises(Expired) as refused:
        check_window(dates(**changes), now=now)
    assert (refused.value.subject, refused.value.remedy) == (subject, remedy)


@pytest.mark.parametrize("value", [None, "1", True, -1, 253_402_300_800, []], ids=str)
@pytest.mark.parametrize("name", ["nbf", "iat", "exp"])
def test_a_date_is_a_whole_number_of_seconds(name: str, value: Any) -> None:
    with pytest.raises(Malformed, match=f"claim {name}"):
        check_window(dates(**{name: value}), now=NOW)


def test_claims_are_read_by_their_kind() -> None:
    claims: dict[str, Any] = {
        "number": 7,
        "flag": False,
        "text": "a",
        "texts": ["a", "b"],
        "bytes": "00Ff",
        "member": {"a": 1},
    }
    assert number(claims, "number", most=7) == 7
    assert flag(claims, "flag") is False
    assert text(claims, "text") == "a"
    assert texts(claims, "texts", most=2) == ("a", "b")
    assert texts(claims, "text", most=1) == ("a",)
    assert texts(claims, "missing", most=1) == ()
    assert hexadecimal(claims, "bytes", size=2) == b"\x00\xff"
    assert member(claims, "member") == {"a": 1}
    assert member(claims, "missing") == {}


@pytest.mark.parametrize(
    "read",
    [
        lambda claims: number(claims, "number", most=6),
        lambda claims: number(claims, "flag", most=6),
        lambda claims: flag(claims, "number"),
        lambda claims: text(claims, "number"),
        lambda claims: text(claims, "empty"),
        lambda claims: text(claims, "missing"),
        lambda claims: texts(claims, "number", most=6),
        lambda claims: texts(claims, "mixed", most=6),
        lambda claims: texts(claims, "mixed", most=1),
        lambda claims: hexadecimal(claims, "hex", size=1),
        lambda claims: hexadecimal(claims, "space", size=2),
        lambda claims: hexadecimal(claims, "foreign", size=1),
        lambda claims: member(claims, "mixed"),
    ],
)
def test_another_kind_is_refused(read: Any) -> None:
    claims = {
        "number": 7,
        "flag": True,
        "empty": "",
        "mixed": ["a", 1],
        "hex": "0000",
        "space": "0 0 ",
        "foreign": "éé",
    }
    with pytest.raises(Malformed):
        read(claims)


def test_every_claim_is_a_fact_by_its_path() -> None:
    claims: dict[str, Any] = {
        "a": {"b": 1, "c": {"d": [1, {"z": 0, "y": "x"}]}},
        "e": None,
        "f": "",
    }
    assert flat_claims(claims) == {
        "claims.a.b": 1,
        "claims.a.c.d": '[1,{"y":"x","z":0}]',
        "claims.f": "",
    }


def test_two_claims_of_one_path_are_refused() -> None:
    with pytest.raises(Malformed, match=r"claims\.a\.b"):
        flat_claims({"a.b": True, "a": {"b": False}})


def test_claims_are_bounded() -> None:
    many: dict[str, Any] = {str(place): 1 for place in range(1_025)}
    with pytest.raises(Malformed, match="1024"):
        flat_claims(many)
    del many["0"]
    assert len(flat_claims(many)) == 1_024
