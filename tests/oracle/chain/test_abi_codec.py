"""Calls, answers, events and errors by the committed ABIs; eth-abi is not asked twice."""

import pytest
from eth_abi.abi import encode

from enclave.domain.errors import ChainError, ConfigError
from enclave.domain.report import keccak256
from oracle.chain.abi_codec import contract_names, decode_revert, load_abi, revert_name


def _selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


def test_a_call_is_selector_and_arguments() -> None:
    data = load_abi("FeedHub").encode_call("submit", b"report")
    assert data == _selector("submit(bytes)") + encode(["bytes"], [b"report"])


def test_a_struct_argument_is_a_tuple_in_the_signature() -> None:
    signature = "register((uint16,address,address,bytes,uint64,bytes,bytes,bytes,bytes))"
    assert load_abi("AttestationRegistry").functions["register"].selector == _selector(signature)


def test_arguments_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="arguments do not fit take"):
        load_abi("SignerSet").encode_call("take", 256, "0x" + "11" * 20)
    with pytest.raises(ConfigError, match="arguments do not fit submit"):
        load_abi("FeedHub").encode_call("submit", "text")


def test_a_struct_comes_back_by_the_names_of_its_fields() -> None:
    raw = encode(["(int64,uint32,uint16,uint8,uint8)"], [(5, 4, 3, 2, 1)])
    assert load_abi("FeedHub").decode_result("read", raw) == {
        "answer": 5,
        "observedAt": 4,
        "dispersion": 3,
        "sources": 2,
        "flags": 1,
    }


def test_a_list_of_structs_comes_back_as_such() -> None:
    who = "0x" + "11" * 20
    seat = (who, who, who, 1, 9)
    raw = encode(["(address,address,address,uint8,uint64)[]"], [[seat, seat]])
    seats = load_abi("SignerSet").decode_result("seats", raw)
    assert [each["takenAt"] for each in seats] == [9, 9]


def test_an_answer_of_something_else_is_refused() -> None:
    with pytest.raises(ChainError, match="read: answer of 3 bytes"):
        load_abi("FeedHub").decode_result("read", b"abc")


def test_an_event_comes_back_with_name_and_fields() -> None:
    topics = [keccak256(b"FeedSkipped(uint16,uint8)"), (7).to_bytes(32, "big")]
    name, fields = load_abi("FeedHub").decode_event(topics, encode(["uint8"], [4]))
    assert (name, fields) == ("FeedSkipped", {"index": 7, "reason": 4})


@pytest.mark.parametrize("topics", [[], [bytes(32)]])
def test_a_foreign_event_is_refused(topics: list[bytes]) -> None:
    with pytest.raises(ChainError, match="no event of this contract"):
        load_abi("FeedHub").decode_event(topics, b"")


def test_an_event_with_other_fields_is_refused() -> None:
    topics = [keccak256(b"FeedSkipped(uint16,uint8)"), (7).to_bytes(32, "big")]
    with pytest.raises(ChainError, match="no FeedSkipped"):
        load_abi("FeedHub").decode_event(topics, b"")


def test_a_revert_is_its_name_with_what_was_seen_and_wanted() -> None:
    data = _selector("FeedHub_Version(uint256,uint256)") + encode(["uint256", "uint256"], [2, 1])
    assert decode_revert(load_abi("FeedHub"), data) == "FeedHub_Version(seen 2, wanted 1)"
    assert revert_name(load_abi("FeedHub"), data) == "FeedHub_Version"


def test_a_revert_of_another_contract_of_the_project_is_known_too() -> None:
    data = _selector("ImagePolicy_NotLive(bytes32)") + b"\xab" * 32
    assert decode_revert(load_abi("FeedHub"), data) == f"ImagePolicy_NotLive(seen 0x{'ab' * 32})"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "reverted without a reason"),
        (_selector("Error(string)") + encode(["string"], ["why"]), "reverted: why"),
        (_selector("Panic(uint256)") + encode(["uint256"], [0x11]), "panic 0x11"),
        (b"\x01\x02\x03\x04", "reverted with unknown error 0x01020304"),
        (_selector("Error(string)") + b"x", "reverted with malformed error 0x08c379a0"),
    ],
)
def test_any_other_revert_is_one_line_too(data: bytes, said: str) -> None:
    assert decode_revert(load_abi("FeedHub"), data) == said


def test_the_name_of_an_unknown_error_is_empty() -> None:
    assert revert_name(load_abi("FeedHub"), b"\x01\x02\x03\x04") == ""


def test_every_contract_of_the_package_loads() -> None:
    for name in contract_names():
        assert load_abi(name).errors
