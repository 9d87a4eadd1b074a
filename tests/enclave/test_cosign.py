"""An enclave signs what several observed, if it saw the same within the feed's tolerance."""

import dataclasses
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.cosign import MAX_APART_S, Cosigner
from enclave.domain.errors import ProtocolError, RequestRefused
from enclave.domain.observation import Answer, FeedFailure
from enclave.domain.quorum import MAX_OBSERVATIONS, observation_digest
from enclave.domain.report import (
    Entry,
    domain_separator,
    encode_entries,
    entries_digest,
    list_root,
    pack_entries,
    unpack_entries,
)
from enclave.domain.wire import (
    Cosign,
    CosignResult,
    Observe,
    SignedObservation,
    SignResult,
)
from enclave.keys import Keys
from enclave.round import ClosedRound
from enclave.signer import Signer
from tests.fakes.process import make_keys

CHAIN = 31337
HUB = bytes(range(20))
DOMAIN = domain_separator(CHAIN, HUB)
A, B, C = (bytes((letter,)) * 32 for letter in b"ABC")
LIST = (A, B, C)
ROOT = list_root(LIST)
AT = 1_800_000_000
#: The group's order.
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEYS = [make_keys(f"node {number}") for number in range(9)]


def held(at: int = AT, *, tolerance_bps: int = 100, **values: int) -> ClosedRound:
    """A round that answers these feeds, such as `A=100`."""
    answers = tuple(
        Answer(name.encode() * 32, value, 8, 12, 3, 4) for name, value in values.items()
    )
    tolerances = {answer.feed_id: tolerance_bps for answer in answers}
    return ClosedRound(1, at, answers, 0.0, tolerances)


@dataclass
class Node:
    """One enclave with the round that it holds."""

    keys: Keys
    own: ClosedRound
    signer: Signer = field(init=False)
    cosigner: Cosigner = field(init=False)

    def __post_init__(self) -> None:
        self.signer = Signer(self.keys)
        self.cosigner = Cosigner(self.keys, self.signer)

    def observe(self, **changes: Any) -> SignedObservation:
        return self.cosigner.observe(
            replace(Observe(chain_id=CHAIN, hub=HUB, feed_list=LIST), **changes), self.own
        )

    def cosign(
        self, *observations: SignedObservation, feeds: tuple[bytes, ...] = (A,), **changes: Any
    ) -> CosignResult:
        request = Cosign(
            chain_id=CHAIN,
            hub=HUB,
            feed_list=LIST,
            feed_ids=feeds,
            quorum=min(len(observations), 3),
            observations=observations,
        )
        return self.cosigner.cosign(replace(request, **changes), self.own)


def nodes(*rounds: ClosedRound) -> list[Node]:
    return [Node(keys, own) for keys, own in zip(KEYS, rounds, strict=False)]


def observed(*values: int) -> tuple[list[Node], list[SignedObservation]]:
    """Nodes that see these values of feed A, and their observations."""
    seen = nodes(*(held(A=value) for value in values))
    return seen, [node.observe() for node in seen]


def signed(result: CosignResult) -> SignResult:
    (one,) = result.signed
    assert not result.refused
    return one


def refusals(result: CosignResult) -> dict[bytes, str]:
    assert not result.signed
    assert {failure.error for failure in result.refused} == {"QuorumNotReached"}
    return {failure.feed_id: failure.message for failure in result.refused}


def forged(keys: Keys, at: int, entries: bytes, root: bytes = ROOT) -> SignedObservation:
    """An observation of whatever content, with a good signature."""
    digest = observation_digest(at, root, entries, DOMAIN)
    return SignedObservation(keys.address, at, root, entries, keys.sign_digest(digest))


def one_value(keys: Keys, value: int, at: int = AT) -> SignedObservation:
    return forged(keys, at, pack_entries([(0, value, 0, 3, 0)]))


def test_an_observation_says_what_the_round_answers_of_the_listed_feeds() -> None:
    (node,) = nodes(held(C=7, A=5, D=9))
    observation = node.observe()
    entries = encode_entries([Entry(0, 5, 12, 3), Entry(2, 7, 12, 3)])
    assert observation == forged(node.keys, AT, entries)
    digest = observation_digest(AT, ROOT, entries, DOMAIN)
    assert node.keys.recover_address(digest, observation.signature) == observation.signer


def test_observing_signs_no_report_and_marks_no_time() -> None:
    (node,) = nodes(held(A=5))
    observation = node.observe()
    assert node.observe() == observation
    assert node.signer.reports == 0
    arguments: dict[str, Any] = {"chain_id": CHAIN, "hub": HUB, "feed_list": LIST}
    assert node.signer.sign(held(A=6).answers, observed_at=AT, **arguments).observed_at == AT


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"feed_list": (B,)}, RequestRefused),
        ({"feed_list": ()}, RequestRefused),
        ({"feed_list": (A, A)}, RequestRefused),
        ({"feed_list": (A[:31],)}, ProtocolError),
        ({"hub": HUB[:19]}, ProtocolError),
    ],
    ids=str,
)
def test_nothing_is_observed_of_a_hub_that_lists_nothing_of_the_round(
    change: dict[str, Any], error: type[Exception]
) -> None:
    (node,) = nodes(held(A=5))
    with pytest.raises(error):
        node.observe(**change)


def test_every_node_signs_the_same_report_of_lower_medians() -> None:
    seen = nodes(
        held(AT, A=1_000_000, B=500),
        held(AT + 1, A=1_000_300, B=501, C=9),
        held(AT + 3, A=1_000_100, B=502),
    )
    observations = [node.observe() for node in seen]
    results = [signed(node.cosign(*observations, feeds=(B, A))) for node in seen]
    entries = encode_entries([Entry(0, 1_000_100, 12, 3), Entry(1, 501, 200, 3)])
    assert {(one.observed_at, one.list_root, one.entries) for one in results} == {
        (AT + 1, ROOT, entries)
    }
    digest = entries_digest(AT + 1, ROOT, entries, DOMAIN)
    for node, one in zip(seen, results, strict=True):
        assert node.keys.recover_address(digest, one.signature) == node.keys.address


def test_a_node_cosigns_what_others_observed() -> None:
    _, observations = observed(100, 101, 100, 99)
    outsider = Node(KEYS[8], held(A=100))
    assert unpack_entries(signed(outsider.cosign(*observations)).entries)[0][1] == 100


def test_a_quorum_of_one_is_the_nodes_own_report() -> None:
    (node,), (observation,) = observed(100)
    assert signed(node.cosign(observation)).entries == observation.entries


def test_the_same_round_is_observed_cosigned_and_signed_for_hubs_on_two_chains() -> None:
    seen, _ = observed(1_000_000, 1_000_000)
    signatures = set()
    for chain_id, hub in ((CHAIN, HUB), (8453, HUB), (CHAIN, bytes(20)), (8453, bytes(20))):
        feed_list = LIST if hub == HUB else (C, A)
        place: dict[str, Any] = {"chain_id": chain_id, "hub": hub, "feed_list": feed_list}
        observations = [node.observe(**place) for node in seen]
        for node in seen:
            one = signed(node.cosign(*observations, **place))
            # The lone report of the same moment is the same entry, so it may be signed, too.
            assert node.signer.sign(node.own.answers, observed_at=AT, **place) == one
            signatures.add(one.signature)
    assert len(signatures) == 8
    assert [node.signer.reports for node in seen] == [4, 4]


def test_the_observation_for_one_hub_is_refused_for_another() -> None:
    seen, observations = observed(100, 100)
    for change in ({"chain_id": CHAIN + 1}, {"hub": bytes(20)}):
        with pytest.raises(RequestRefused, match="is signed by 0x"):
            seen[0].cosign(*observations, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feed_ids": ()}, "0 feeds, 0 of them distinct"),
        ({"feed_ids": (A, A)}, "2 feeds, 1 of them distinct"),
        ({"feed_ids": (A, bytes(32))}, f"feed 0x{bytes(32).hex()} is not listed"),
        ({"quorum": 0}, "3 observations for a quorum of 0"),
        ({"quorum": 4}, "3 observations for a quorum of 4"),
        ({"observations": ()}, "0 observations for a quorum of 3"),
        ({"feed_list": (*LIST, bytes(32))}, "is of another feed list"),
        ({"feed_list": (A, A)}, "names 1 feeds in 2 places"),
    ],
    ids=str,
)
def test_an_incomplete_request_is_refused_as_a_whole(change: dict[str, Any], message: str) -> None:
    seen, observations = observed(100, 100, 100)
    with pytest.raises(RequestRefused, match=message):
        seen[0].cosign(*observations, **change)
    assert seen[0].signer.reports == 0


def test_more_observations_than_a_hub_can_have_signers_are_refused() -> None:
    (node,) = nodes(held(A=100))
    many = [one_value(make_keys(f"many {number}"), 100) for number in range(MAX_OBSERVATIONS + 1)]
    with pytest.raises(RequestRefused, match="65 observations for a quorum of 3"):
        node.cosign(*many)
    assert signed(node.cosign(*many[:MAX_OBSERVATIONS])).observed_at == AT


def test_a_signer_observes_once() -> None:
    seen, observations = observed(100, 100)
    again = one_value(seen[1].keys, 101)
    with pytest.raises(RequestRefused, match="3 observations by 2 signers"):
        seen[0].cosign(*observations, again)


def test_a_round_of_another_time_is_refused_as_a_whole() -> None:
    (node,) = nodes(held(A=100))
    for at in (AT - MAX_APART_S, AT + MAX_APART_S):
        assert signed(node.cosign(one_value(KEYS[1], 100, at))).observed_at == at
    for at in (0, AT - MAX_APART_S - 1, AT + MAX_APART_S + 1):
        with pytest.raises(RequestRefused, match=f"{abs(at - AT)} s from this round, wanted at"):
            node.cosign(one_value(KEYS[1], 100, at))


def test_a_time_that_no_report_can_hold_is_refused() -> None:
    (node,) = nodes(held(2**32 - 1, A=100))
    observation = replace(one_value(KEYS[1], 100), observed_at=2**32)
    with pytest.raises(RequestRefused, match="is malformed: observedAt"):
        node.cosign(observation)


@pytest.mark.parametrize(
    "entries",
    [
        b"",
        bytes(14),
        pack_entries([(0, 100, 0, 3, 0)])[:-1],
        pack_entries([(1, 100, 0, 3, 0)]) + pack_entries([(0, 100, 0, 3, 0)]),
        pack_entries([(0, 100, 0, 3, 0)]) * 2,
        pack_entries([(0, 100, 0, 3, 0), (3, 100, 0, 3, 0)]),
    ],
    ids=bytes.hex,
)
def test_malformed_entries_are_refused_however_well_signed(entries: bytes) -> None:
    (node,) = nodes(held(A=100))
    with pytest.raises(RequestRefused, match=f"0x{KEYS[1].address.hex()} is malformed"):
        node.cosign(forged(KEYS[1], AT, entries))


def test_a_report_is_no_observation() -> None:
    seen, (own, other) = observed(100, 100)
    report = signed(seen[1].cosign(own, other))
    with pytest.raises(RequestRefused, match="is signed by"):
        seen[0].cosign(replace(other, entries=report.entries, signature=report.signature))


def test_a_high_s_is_refused_though_it_recovers() -> None:
    seen, (own, other) = observed(100, 100)
    high = other.signature[:32] + (ORDER // 2 + 1).to_bytes(32)
    with pytest.raises(RequestRefused, match="high s"):
        seen[0].cosign(own, replace(other, signature=high))


def test_every_flipped_bit_of_an_observation_is_refused() -> None:
    seen, (own, other) = observed(100, 100)
    for name in (each.name for each in dataclasses.fields(SignedObservation)):
        value = getattr(other, name)
        raw = value.to_bytes(8) if isinstance(value, int) else value
        for bit in range(8 * len(raw)):
            flipped = bytearray(raw)
            flipped[bit // 8] ^= 1 << bit % 8
            changed: Any = int.from_bytes(flipped) if isinstance(value, int) else bytes(flipped)
            with pytest.raises(RequestRefused):
                seen[0].cosign(own, replace(other, **{name: changed}))
    assert seen[0].signer.reports == 0


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_of_another_length_is_refused(size: int) -> None:
    seen, (own, other) = observed(100, 100)
    with pytest.raises(RequestRefused, match=f"signature of {size} bytes over 32"):
        seen[0].cosign(own, replace(other, signature=bytes(size)))


def test_a_feed_that_this_enclave_has_not_answered_is_refused_by_name() -> None:
    seen = nodes(held(A=100), held(A=100, B=5), held(A=100, B=5))
    observations = [node.observe() for node in seen]
    result = seen[0].cosign(*observations, feeds=(A, B), quorum=2)
    assert refusals(result) == {B: "this enclave's round has no answer"}
    signed(seen[1].cosign(*observations, feeds=(A, B), quorum=2))


def test_a_feed_that_too_few_observed_is_refused_by_name() -> None:
    seen = nodes(held(A=100, B=5), held(A=100, B=5), held(A=100))
    observations = [node.observe() for node in seen]
    result = seen[0].cosign(*observations, feeds=(C, B, A))
    assert refusals(result) == {
        B: "2 observations have an answer, wanted 3",
        C: "0 observations have an answer, wanted 3",
    }


@pytest.mark.parametrize(
    ("own", "answer", "message"),
    [
        (1_000_000, 1_010_000, ""),
        (1_000_000, 990_000, ""),
        (1_000_000, 1_010_001, "answer is 100.1 bps from this enclave's, wanted at most 100"),
        (1_000_000, 989_999, "answer is 100.1 bps from this enclave's, wanted at most 100"),
        (1_000_000, 2_000_000, "answer is 10000.0 bps from this enclave's, wanted at most 100"),
        (1, 2**63 - 1, "answer is more than 100000000 bps from this enclave's, wanted at most 100"),
    ],
)
def test_an_answer_beyond_the_tolerance_is_refused_by_name(
    own: int, answer: int, message: str
) -> None:
    (node,) = nodes(held(A=own))
    result = node.cosign(one_value(KEYS[1], answer))
    if message:
        assert result == CosignResult((), (FeedFailure(A, "QuorumNotReached", message),))
        assert node.signer.reports == 0
    else:
        assert unpack_entries(signed(result).entries)[0][1] == answer


def test_the_tolerance_is_the_feeds_own() -> None:
    (strict,) = nodes(held(A=1_000_000, tolerance_bps=0))
    assert refusals(strict.cosign(one_value(KEYS[1], 1_000_001)))
    signed(strict.cosign(one_value(KEYS[1], 1_000_000)))


def test_nothing_is_signed_where_a_feed_is_refused_and_the_rest_may_be_asked_again() -> None:
    seen = nodes(held(A=1_000_000, B=500), held(A=1_000_000, B=600))
    observations = [node.observe() for node in seen]
    first = seen[1].cosign(*observations, feeds=(A, B))
    assert list(refusals(first)) == [B]
    signed(seen[0].cosign(*observations, feeds=(A, B)))
    again = [signed(node.cosign(*observations, feeds=(A,))) for node in seen]
    assert again[0].entries == again[1].entries == pack_entries([(0, 1_000_000, 12, 3, 0)])
    assert [node.signer.reports for node in seen] == [2, 1]


def test_two_answers_for_one_second_are_refused_by_name() -> None:
    seen, observations = observed(1_000_000, 1_000_100, 1_000_200)
    signed(seen[0].cosign(*observations))
    other = seen[0].cosign(*observations[:2], feeds=(A,))
    assert refusals(other) == {A: f"was signed at {AT}, wanted later than that, seen {AT}"}
    assert signed(seen[0].cosign(*observations[::-1])) == signed(seen[0].cosign(*observations))
    later = [one_value(keys, 1_000_000, AT + 1) for keys in KEYS[1:3]]
    assert signed(seen[0].cosign(*later)).observed_at == AT + 1
    earlier = [one_value(keys, 1_000_050, AT) for keys in KEYS[1:3]]
    assert refusals(seen[0].cosign(*earlier)) == {
        A: f"was signed at {AT + 1}, wanted later than that, seen {AT}"
    }


def test_a_cosigned_second_closes_the_lone_report_and_the_other_way_round() -> None:
    place: dict[str, Any] = {"chain_id": CHAIN, "hub": HUB, "feed_list": LIST}
    for first in (True, False):
        node = Node(KEYS[0], held(A=1_000_000))
        observation = one_value(KEYS[1], 1_000_001)
        if first:
            signed(node.cosign(observation))
            with pytest.raises(RequestRefused, match="wanted later"):
                node.signer.sign(node.own.answers, observed_at=AT, **place)
        else:
            node.signer.sign(node.own.answers, observed_at=AT, **place)
            assert list(refusals(node.cosign(observation))) == [A]


values = st.integers(900, 1_100)


@given(
    seen=st.lists(values, min_size=1, max_size=7),
    own=values,
    tolerance_bps=st.integers(0, 2_000),
    data=st.data(),
)
def test_what_is_signed_was_observed_and_lies_within_the_tolerance(
    seen: list[int], own: int, tolerance_bps: int, data: st.DataObject
) -> None:
    observations = [one_value(keys, value) for keys, value in zip(KEYS[1:], seen, strict=False)]
    results = [
        Node(KEYS[0], held(A=own, tolerance_bps=tolerance_bps)).cosign(*order)
        for order in (observations, data.draw(st.permutations(observations)))
    ]
    assert results[0] == results[1]
    for one in results[0].signed:
        ((_, answer, *_),) = unpack_entries(one.entries)
        assert answer in seen
        assert abs(answer - own) * 10_000 <= tolerance_bps * own
    if results[0].refused:
        median = sorted(seen)[(len(seen) - 1) // 2]
        assert abs(median - own) * 10_000 > tolerance_bps * own


@given(honest=st.tuples(values, values), lie=st.integers(1, 2**63 - 1))
def test_one_of_three_liars_never_moves_the_answer_out_of_the_honest_range(
    honest: tuple[int, int], lie: int
) -> None:
    observations = [
        one_value(keys, value) for keys, value in zip(KEYS[1:], (*honest, lie), strict=False)
    ]
    node = Node(KEYS[0], held(A=honest[0], tolerance_bps=10_000))
    ((_, answer, *_),) = unpack_entries(signed(node.cosign(*observations)).entries)
    assert min(honest) <= answer <= max(honest)


@given(
    requests=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.lists(st.tuples(st.integers(0, 2), values), min_size=1, max_size=3),
            st.sets(st.sampled_from(LIST), min_size=1),
        ),
        max_size=25,
    )
)
def test_no_order_of_requests_makes_a_proof_of_equivocation(
    requests: list[tuple[int, list[tuple[int, int]], set[bytes]]],
) -> None:
    node = Node(KEYS[0], held(A=1_000, B=1_000, C=1_000, tolerance_bps=10_000))
    claims: dict[tuple[int, int], tuple[int, ...]] = {}
    for at, rows, feeds in requests:
        entries = pack_entries(sorted((i, v, 0, 3, 0) for i, v in dict(rows).items()))
        result = node.cosign(forged(KEYS[1], AT + at, entries), feeds=tuple(feeds))
        for one in result.signed:
            for row in unpack_entries(one.entries):
                assert claims.setdefault((one.observed_at, row[0]), row) == row
