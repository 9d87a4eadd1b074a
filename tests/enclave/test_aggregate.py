"""The answer is a price that some source gave, and no minority of sources moves it."""

import random
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.aggregate import MAX_VALUE, Aggregate, Gate, aggregate, pass_gate
from enclave.domain.errors import QuorumNotReached
from enclave.domain.feed import Aggregation
from enclave.domain.observation import Observation

RULES = Aggregation(
    algorithm="lower-median/1",
    min_sources=2,
    outlier_floor_bps=50,
    outlier_mad=5,
    max_dispersion_bps=100,
    jump_bps=500,
)
#: Rules that refuse nothing but too few sources.
LOOSE = replace(RULES, outlier_floor_bps=10_000, outlier_mad=100, max_dispersion_bps=10_000)

VALUES = st.integers(1, MAX_VALUE)
ANYTHING = st.integers(1, 10**40)


def observations(*values: int) -> list[Observation]:
    return [Observation(f"s{number}", value, 0) for number, value in enumerate(values)]


def answer(*values: int, rules: Aggregation = RULES) -> Aggregate:
    return aggregate(observations(*values), rules)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1000, 1001), 1000),
        ((1001, 1000), 1000),
        ((1002, 1000, 1001), 1001),
        ((1003, 1000, 1002, 1001), 1001),
        ((1000, 1000, 1000, 1000, 1000), 1000),
    ],
)
def test_the_answer_is_the_lower_median(values: tuple[int, ...], expected: int) -> None:
    assert answer(*values).value == expected


def test_one_source_is_enough_where_the_definition_says_so() -> None:
    assert answer(7, rules=replace(RULES, min_sources=1)) == Aggregate(7, 0, 1)


@pytest.mark.parametrize("values", [(), (1000,)])
def test_too_few_fresh_sources_give_no_answer(values: tuple[int, ...]) -> None:
    with pytest.raises(QuorumNotReached, match=f"{len(values)} fresh sources, wanted 2"):
        answer(*values)


def test_no_source_gives_no_answer_whatever_the_rules() -> None:
    with pytest.raises(QuorumNotReached, match="0 fresh sources"):
        answer(rules=replace(RULES, min_sources=0))


def test_an_outlier_does_not_count_and_does_not_move_the_answer() -> None:
    with_outlier = answer(100_000, 100_010, 100_020, 5)
    assert with_outlier.value == 100_000
    assert with_outlier.sources_used == 3
    assert with_outlier.dispersion == 20


def test_dropping_an_outlier_does_not_change_which_value_is_the_median() -> None:
    # Without the outlier the lower median would be 100_010.
    assert answer(100_000, 100_010, 100_020, 1).value == 100_000


def test_the_outlier_floor_is_inclusive() -> None:
    # Median absolute deviation 0: only the floor of 50 bps protects.
    assert answer(10_000, 10_000, 10_000, 10_050).sources_used == 4
    assert answer(10_000, 10_000, 10_000, 10_051).sources_used == 3


def test_the_bound_is_a_multiple_of_the_median_absolute_deviation() -> None:
    rules = replace(RULES, outlier_floor_bps=1)
    # Distances 0, 10, 10, 10 and d: the deviation is 10, the bound 50.
    assert answer(99_990, 99_990, 100_000, 100_010, 100_050, rules=rules).sources_used == 5
    assert answer(99_990, 99_990, 100_000, 100_010, 100_051, rules=rules).sources_used == 4


def test_too_few_that_agree_give_no_answer() -> None:
    rules = replace(RULES, min_sources=3)
    with pytest.raises(QuorumNotReached, match="2 sources agree, wanted 3; 1 of 3 are outliers"):
        answer(10_000, 10_000, 20_000, rules=rules)


def test_dispersion_is_in_tenths_of_a_basis_point_rounded_up() -> None:
    assert answer(1_000_000, 1_000_000).dispersion == 0
    assert answer(1_000_000, 1_000_001).dispersion == 1
    assert answer(1_000_000, 1_000_010).dispersion == 1
    assert answer(1_000_000, 1_000_011).dispersion == 2


def test_dispersion_is_the_largest_distance_on_either_side() -> None:
    assert answer(999_000, 1_000_000, 1_000_500).dispersion == 100


def test_sources_too_far_apart_give_no_answer() -> None:
    rules = replace(LOOSE, max_dispersion_bps=100)
    assert answer(10_000, 10_100, rules=rules).dispersion == 1_000
    with pytest.raises(QuorumNotReached, match=r"differ by 101\.0 bps, wanted at most 100"):
        answer(10_000, 10_101, rules=rules)


def test_dispersion_saturates() -> None:
    rules = replace(LOOSE, max_dispersion_bps=10**9, outlier_floor_bps=10**9)
    assert answer(1, 1, 1_000, rules=rules).dispersion == 0xFFFF


def test_an_absurd_dispersion_is_told_in_few_words() -> None:
    rules = replace(LOOSE, outlier_floor_bps=10**60)
    with pytest.raises(QuorumNotReached, match="differ by more than 100000000 bps"):
        answer(1, 10**50, rules=rules)


def test_an_answer_that_does_not_fit_is_refused_not_clamped() -> None:
    assert answer(MAX_VALUE, MAX_VALUE).value == MAX_VALUE
    with pytest.raises(QuorumNotReached, match="does not fit int64"):
        answer(MAX_VALUE + 1, MAX_VALUE + 1)


@given(
    honest=st.lists(VALUES, min_size=1, max_size=9),
    liars=st.lists(ANYTHING, max_size=8),
    rules=st.sampled_from([RULES, LOOSE]),
    seed=st.randoms(use_true_random=False),
)
def test_a_minority_cannot_move_the_answer_out_of_the_honest_range(
    honest: list[int], liars: list[int], rules: Aggregation, seed: random.Random
) -> None:
    values = honest + liars[: len(honest) - 1]
    seed.shuffle(values)
    try:
        result = answer(*values, rules=rules)
    except QuorumNotReached:
        return
    assert min(honest) <= result.value <= max(honest)


@given(
    centre=st.integers(10**6, 10**17),
    offsets=st.lists(st.integers(-40, 40), min_size=2, max_size=9),
    liars=st.lists(ANYTHING, max_size=8),
)
def test_honest_sources_that_agree_always_make_an_answer_against_a_minority(
    centre: int, offsets: list[int], liars: list[int]
) -> None:
    honest = [centre + offset * centre // 100_000 for offset in offsets]
    rules = replace(RULES, min_sources=2, max_dispersion_bps=10_000)
    result = answer(*honest, *liars[: len(honest) - 2], rules=rules)
    assert min(honest) <= result.value <= max(honest)


@given(st.lists(VALUES, min_size=2, max_size=12))
def test_the_answer_is_an_observed_price(values: list[int]) -> None:
    rules = replace(LOOSE, outlier_floor_bps=10**30, max_dispersion_bps=10**30)
    assert answer(*values, rules=rules).value in values


@given(st.lists(VALUES, min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_sources_does_not_matter(values: list[int], seed: random.Random) -> None:
    shuffled = list(values)
    seed.shuffle(shuffled)

    def outcome(given_values: list[int]) -> object:
        try:
            return answer(*given_values)
        except QuorumNotReached as error:
            return str(error)

    assert outcome(values) == outcome(shuffled)


@given(st.lists(st.integers(10**6, 10**6 + 5_000), min_size=2, max_size=12))
def test_dispersion_is_never_understated(values: list[int]) -> None:
    result = answer(*values, rules=LOOSE)
    exact = max(Fraction(abs(value - result.value), result.value) for value in values)
    assert 0 <= result.dispersion - exact * 100_000 < 1


# --- the jump gate ---------------------------------------------------------------------------


def gate(memory: Gate, value: int, at: int) -> tuple[Gate, str]:
    return pass_gate(memory, value, observed_at=at, jump_bps=500)


def test_the_first_answer_passes() -> None:
    assert gate(Gate(), 10_000, 1) == (Gate(accepted=10_000), "")


@pytest.mark.parametrize("value", [9_500, 10_500])
def test_a_move_up_to_the_limit_passes(value: int) -> None:
    assert gate(Gate(accepted=10_000), value, 2) == (Gate(accepted=value), "")


@pytest.mark.parametrize("value", [9_499, 10_501])
def test_a_larger_move_is_held(value: int) -> None:
    memory, held = gate(Gate(accepted=10_000), value, 2)
    assert memory == Gate(accepted=10_000, held=value, held_at=2)
    assert held == ("answer moved 501.0 bps, wanted at most 500 or a second round that confirms it")


def test_the_next_round_confirms_a_held_answer() -> None:
    memory, _ = gate(Gate(accepted=10_000), 20_000, 2)
    assert gate(memory, 21_000, 3) == (Gate(accepted=21_000), "")


def test_a_round_of_the_same_second_or_before_confirms_nothing() -> None:
    memory, _ = gate(Gate(accepted=10_000), 20_000, 2)
    for at in (1, 2):
        after, held = gate(memory, 20_000, at)
        assert held
        assert after == memory
    assert gate(memory, 20_000, 3)[1] == ""


def test_another_large_move_is_held_in_place_of_the_first() -> None:
    memory, _ = gate(Gate(accepted=10_000), 20_000, 2)
    memory, held = gate(memory, 30_000, 3)
    assert held
    assert memory == Gate(accepted=10_000, held=30_000, held_at=3)


def test_a_return_to_the_accepted_answer_forgets_the_held_one() -> None:
    memory, _ = gate(Gate(accepted=10_000), 20_000, 2)
    memory, held = gate(memory, 10_100, 3)
    assert (memory, held) == (Gate(accepted=10_100), "")
    assert gate(memory, 20_000, 4)[1]


@given(st.lists(st.tuples(VALUES, st.integers(1, 30)), min_size=1, max_size=30))
def test_a_large_move_never_passes_alone(rounds: list[tuple[int, int]]) -> None:
    memory = Gate()
    accepted: int | None = None
    before: tuple[int, int] | None = None
    for value, at in rounds:
        memory, held = gate(memory, value, at)
        if not held and accepted is not None and abs(value - accepted) * 10_000 > 500 * accepted:
            assert before is not None
            assert abs(value - before[0]) * 10_000 <= 500 * before[0]
            assert at > before[1]
        if not held:
            accepted, before = value, None
        elif before is None or at > before[1]:
            before = (value, at)
