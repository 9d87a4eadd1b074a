"""The table of transitions: every pair of states, allowed or not."""

import itertools

import pytest

from enclave.domain.errors import ChainError
from oracle.chain.states import DEEP, ENDED, USED, TransactionState, follow

S = TransactionState
ALLOWED = {
    *itertools.product([S.PENDING], [S.PENDING, S.MINED, S.REVERTED, S.REPLACED]),
    *itertools.product([S.MINED], [S.PENDING, S.MINED, S.REVERTED, S.SETTLED]),
    *itertools.product([S.REVERTED], [S.PENDING, S.MINED, S.REVERTED, S.FAILED]),
    *itertools.product([S.REPLACED], [S.PENDING, S.MINED, S.REVERTED, S.LOST]),
    *itertools.product([S.SETTLED, S.FAILED, S.LOST], [S.PENDING]),
}


@pytest.mark.parametrize(("state", "following"), list(itertools.product(S, S)))
def test_a_state_follows_only_as_the_table_says(
    state: TransactionState, following: TransactionState
) -> None:
    if (state, following) in ALLOWED:
        assert follow(state, following) is following
    else:
        with pytest.raises(ChainError, match=f"is {state} cannot become {following}"):
            follow(state, following)


def test_every_deep_state_is_reached_from_one_that_may_become_it() -> None:
    assert all((state, deep) in ALLOWED for state, deep in DEEP.items())


def test_only_what_is_open_is_not_ended_and_a_foreign_nonce_is_not_used_by_us() -> None:
    assert set(S) - ENDED == {S.PENDING}
    assert {S.REPLACED, S.LOST} == ENDED - USED
