"""Per chain, hub and feed time only goes forward, and one moment has one entry."""

from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_keys.datatypes import Signature
from eth_utils.crypto import keccak
from hypothesis import example, given
from hypothesis import strategies as st

from enclave.domain.errors import ProtocolError, RequestRefused
from enclave.domain.observation import Answer
from enclave.domain.report import (
    ENTRY_SIZE,
    Entry,
    Report,
    encode_entries,
    list_root,
    report_digest,
)
from enclave.domain.report import domain_separator as separator
from enclave.domain.wire import SignResult
from enclave.signer import MAX_HUBS, MAX_MARKS, MAX_RECENT, Signer
from tests.fakes.process import CountingSigner, make_keys

CHAIN = 31337
HUB = bytes(range(20))
A, B, C, D = (bytes((letter,)) * 32 for letter in b"ABCD")
LIST = (A, B, C)


def answer(feed_id: bytes, value: int = 5) -> Answer:
    return Answer(feed_id, value, 8, 12, 3, 4)


def sign(signer: Signer, *answers: Answer, at: int = 100, **changes: Any) -> SignResult:
    arguments: dict[str, Any] = {"chain_id": CHAIN, "hub": HUB, "feed_list": LIST, **changes}
    return signer.sign(answers, observed_at=at, **arguments)


def test_the_report_holds_the_answers_in_the_hubs_order() -> None:
    result = sign(Signer(CountingSigner()), answer(C, 7), answer(A, 5))
    assert result.observed_at == 100
    assert result.list_root == list_root(LIST)
    assert result.entries == encode_entries([Entry(0, 5, 12, 3), Entry(2, 7, 12, 3)])


def test_the_digest_is_that_of_the_report() -> None:
    keys = CountingSigner()
    sign(Signer(keys), answer(A))
    report = Report(100, list_root(LIST), (Entry(0, 5, 12, 3),))
    assert keys.digests == [report_digest(report, separator(CHAIN, HUB))]


def test_the_signature_is_over_eip_712_by_another_implementation() -> None:
    keys = make_keys()
    result = sign(Signer(keys), answer(A), answer(C))
    message = encode_typed_data(
        domain_data={
            "name": "ConfidentialOracle",
            "version": "1",
            "chainId": CHAIN,
            "verifyingContract": "0x" + HUB.hex(),
        },
        message_types={
            "Report": [
                {"name": "version", "type": "uint8"},
                {"name": "observedAt", "type": "uint32"},
                {"name": "listRoot", "type": "bytes32"},
                {"name": "entries", "type": "bytes"},
            ]
        },
        message_data={
            "version": 1,
            "observedAt": 100,
            "listRoot": result.list_root,
            "entries": result.entries,
        },
    )
    digest = keccak(b"\x19" + message.version + message.header + message.body)
    parity, signature = result.signature[32] >> 7, bytearray(result.signature)
    signature[32] &= 0x7F
    public = Signature(bytes(signature) + bytes((parity,))).recover_public_key_from_msg_hash(digest)
    assert public.to_canonical_address() == keys.address


def test_answers_of_feeds_that_the_hub_does_not_list_are_left_out() -> None:
    result = sign(Signer(CountingSigner()), answer(D), answer(B))
    assert result.entries == encode_entries([Entry(1, 5, 12, 3)])


def test_nothing_is_signed_where_no_answer_is_listed() -> None:
    keys = CountingSigner()
    with pytest.raises(RequestRefused, match="none of 1 answers is among the hub's 3 feeds"):
        sign(Signer(keys), answer(D))
    assert not keys.digests


def test_an_empty_list_lists_nothing() -> None:
    with pytest.raises(RequestRefused, match="among the hub's 0 feeds"):
        sign(Signer(CountingSigner()), answer(A), feed_list=())


def test_the_same_report_again_gives_the_same_signature() -> None:
    keys = CountingSigner()
    signer = Signer(keys)
    first = sign(signer, answer(A), answer(B))
    assert sign(signer, answer(B), answer(A)) == first
    assert len(keys.digests) == signer.reports == 1


@pytest.mark.parametrize("at", [99, 100])
def test_a_feed_is_not_signed_again_at_the_same_time_or_before(at: int) -> None:
    keys = CountingSigner()
    signer = Signer(keys)
    sign(signer, answer(A, 5), at=100)
    with pytest.raises(RequestRefused, match=f"signed at 100, wanted later than that, seen {at}"):
        sign(signer, answer(A, 6), at=at)
    assert len(keys.digests) == 1


def test_the_same_entries_of_a_second_may_be_signed_in_other_company() -> None:
    keys = CountingSigner()
    signer = Signer(keys)
    both = sign(signer, answer(A, 5), answer(B, 6))
    one = sign(signer, answer(A, 5))
    assert one.entries == both.entries[:ENTRY_SIZE]
    assert sign(signer, answer(A, 5), answer(B, 6), answer(C, 7)).entries[:28] == both.entries
    assert len(set(keys.digests)) == signer.reports == 3
    assert sign(signer, answer(A, 5)) == one
    assert signer.reports == 3


@pytest.mark.parametrize(
    "other",
    [
        Answer(A, 6, 8, 12, 3, 4),
        Answer(A, 5, 8, 13, 3, 4),
        Answer(A, 5, 8, 12, 2, 4),
    ],
)
def test_an_entry_that_differs_in_anything_is_not_signed_for_the_same_second(
    other: Answer,
) -> None:
    signer = Signer(CountingSigner())
    sign(signer, answer(A, 5))
    with pytest.raises(RequestRefused, match="signed at 100"):
        sign(signer, other, answer(B))


def test_an_entry_of_a_feed_is_no_excuse_for_another_feed_at_its_index() -> None:
    signer = Signer(CountingSigner())
    sign(signer, answer(A, 5))
    sign(signer, answer(B, 6))
    with pytest.raises(RequestRefused, match="signed at 100"):
        sign(signer, answer(B, 5), feed_list=(B, A, C))


def test_a_second_that_a_feed_has_left_is_closed_to_it_and_open_to_others() -> None:
    signer = Signer(CountingSigner())
    sign(signer, answer(A), answer(B), at=100)
    sign(signer, answer(A), at=101)
    with pytest.raises(RequestRefused, match="signed at 101, wanted later than that, seen 100"):
        sign(signer, answer(A), answer(B), at=100)
    assert sign(signer, answer(B), at=100).observed_at == 100


def test_a_report_that_is_no_longer_remembered_closes_its_second() -> None:
    signer = Signer(CountingSigner())
    sign(signer, answer(A), at=100)
    feeds = tuple(bytes((number,)) * 32 for number in range(1, MAX_RECENT + 1))
    place: dict[str, Any] = {"feed_list": (A, *feeds)}
    for number, feed in enumerate(feeds[:-1]):
        sign(signer, answer(feed), at=101 + number, **place)
    assert sign(signer, answer(A), at=100).observed_at == 100
    sign(signer, answer(feeds[-1]), at=200, **place)
    with pytest.raises(RequestRefused, match="signed at 100"):
        sign(signer, answer(A), at=100)


def test_a_refused_report_leaves_no_mark() -> None:
    signer = Signer(CountingSigner())
    sign(signer, answer(A), at=100)
    with pytest.raises(RequestRefused):
        sign(signer, answer(A, 6), answer(B), at=100)
    assert sign(signer, answer(B), at=50).observed_at == 50


def test_the_same_values_under_another_list_are_another_report() -> None:
    signer = Signer(CountingSigner())
    sign(signer, answer(A))
    with pytest.raises(RequestRefused, match="wanted later"):
        sign(signer, answer(A), feed_list=(*LIST, D))
    assert sign(signer, answer(A), at=101, feed_list=(*LIST, D)).list_root == list_root((*LIST, D))


def test_another_feed_may_be_signed_at_an_earlier_time() -> None:
    signer = Signer(CountingSigner())
    sign(signer, answer(A), at=100)
    assert sign(signer, answer(B), at=99).observed_at == 99
    assert sign(signer, answer(B), at=100).observed_at == 100


@pytest.mark.parametrize("changes", [{"chain_id": CHAIN + 1}, {"hub": bytes(20)}])
def test_each_chain_and_hub_has_its_own_order(changes: dict[str, Any]) -> None:
    keys = CountingSigner()
    signer = Signer(keys)
    sign(signer, answer(A))
    sign(signer, answer(A), **changes)
    assert len(set(keys.digests)) == 2


def test_a_list_that_names_a_feed_twice_is_refused() -> None:
    with pytest.raises(RequestRefused, match="names 2 feeds in 3 places"):
        sign(Signer(CountingSigner()), answer(A), feed_list=(A, B, A))


def test_a_feed_id_of_another_length_is_refused() -> None:
    with pytest.raises(ProtocolError, match="feed id of 31 bytes"):
        sign(Signer(CountingSigner()), answer(A), feed_list=(A, bytes(31)))


def test_a_hub_that_is_no_address_is_refused() -> None:
    with pytest.raises(ProtocolError, match="address of 19 bytes"):
        sign(Signer(CountingSigner()), answer(A), hub=bytes(19))


def test_hubs_are_bounded_and_known_ones_stay_usable() -> None:
    signer = Signer(CountingSigner())
    for number in range(MAX_HUBS):
        sign(signer, answer(A), hub=number.to_bytes(20))
    with pytest.raises(RequestRefused, match=f"signs for {MAX_HUBS} hubs already"):
        sign(signer, answer(A), hub=MAX_HUBS.to_bytes(20))
    assert sign(signer, answer(A), at=101, hub=bytes(20)).observed_at == 101


def test_marks_are_bounded_by_refusing_never_by_forgetting() -> None:
    signer = Signer(CountingSigner())
    per_hub = MAX_MARKS // (MAX_HUBS - 1)
    for hub in range(MAX_HUBS - 1):
        feeds = tuple((hub * per_hub + number).to_bytes(32) for number in range(per_hub))
        for start in range(0, per_hub, 1_000):
            part = feeds[start : start + 1_000]
            sign(signer, *map(answer, part), hub=hub.to_bytes(20), feed_list=feeds)
    left = MAX_MARKS - per_hub * (MAX_HUBS - 1)
    last: dict[str, Any] = {"hub": (MAX_HUBS - 1).to_bytes(20)}
    feeds = tuple(b"\xff" + number.to_bytes(31) for number in range(left + 1))
    sign(signer, *map(answer, feeds[:left]), feed_list=feeds, **last)
    with pytest.raises(RequestRefused, match=f"{MAX_MARKS + 1} feeds of hubs"):
        sign(signer, answer(feeds[left]), feed_list=feeds, **last)
    sign(signer, *map(answer, feeds[:left]), feed_list=feeds, at=101, **last)
    with pytest.raises(RequestRefused, match="wanted later"):
        sign(signer, answer(feeds[0], 6), feed_list=feeds, at=101, **last)


@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from([A, B, C, D]), min_size=1),
            st.integers(1, 3),
            st.integers(1, 8),
            st.sampled_from([HUB, bytes(20)]),
        ),
        max_size=40,
    )
)
def test_no_order_of_requests_gets_two_values_for_one_moment(
    requests: list[tuple[set[bytes], int, int, bytes]],
) -> None:
    signer = Signer(CountingSigner())
    latest: dict[tuple[bytes, bytes], int] = {}
    signed: dict[tuple[bytes, bytes, int], int] = {}
    for feeds, value, at, hub in requests:
        try:
            sign(signer, *(answer(feed, value) for feed in sorted(feeds)), at=at, hub=hub)
        except RequestRefused:
            continue
        for feed in feeds & set(LIST):
            assert signed.setdefault((hub, feed, at), value) == value
            assert at >= latest.get((hub, feed), 0)
            latest[hub, feed] = at


@given(
    st.lists(
        st.tuples(
            st.sampled_from([(A, B), (A, B), (B, A)]),
            st.sampled_from([{A}, {B}, {A, B}]),
            st.integers(1, 2),
            st.integers(1, 2),
        ),
        max_size=40,
    )
)
@example([(LIST, {A, B}, 1, 1), (LIST, {A}, 1, 2), (LIST, {A}, 1, 1), (LIST, {A}, 2, 2)])
def test_no_order_of_requests_makes_a_proof_of_equivocation(
    requests: list[tuple[tuple[bytes, ...], set[bytes], int, int]],
) -> None:
    # Few choices, so that moments, lists and feeds meet again; the example goes back in between.
    signer = Signer(CountingSigner())
    claims: dict[tuple[bytes, int, bytes], bytes] = {}
    for feed_list, feeds, value, at in requests:
        answers = [answer(feed, value) for feed in sorted(feeds)]
        try:
            result = sign(signer, *answers, at=at, feed_list=feed_list)
        except RequestRefused:
            continue
        for start in range(0, len(result.entries), ENTRY_SIZE):
            entry = result.entries[start : start + ENTRY_SIZE]
            claim = (result.list_root, result.observed_at, entry[:2])
            assert claims.setdefault(claim, entry) == entry
