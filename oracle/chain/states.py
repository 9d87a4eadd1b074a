"""The life of a transaction: its states, and which may follow which.

A transaction is a nonce of the account with all the signed forms that were ever made for it; at
most one of them can be mined. What is seen is told by hash and nonce alone, never by an error text.

| From | Seen | To | Done |
| --- | --- | --- | --- |
| - | a call passes estimate, fee cap and funds | PENDING | on disk with its form, then sent |
| PENDING | a receipt of success, of any form | MINED | its caller has the receipt |
| PENDING | a receipt of failure, of any form | REVERTED | its caller has the reason |
| PENDING | the nonce is used, five looks in a row show no receipt | REPLACED | its caller is told |
| PENDING | a new block, and no pool knows it: dropped | PENDING | the same bytes again |
| PENDING | not mined in time: stuck | PENDING | the next form: >= 12.5 % more, up to the cap |
| PENDING | stuck, or nobody waits, and a newer call supersedes it | PENDING | that call's form |
| PENDING | the base fee is above its fee: priced out | PENDING | the next form, if the cap allows |
| PENDING | stuck, and cap or funds allow no more | PENDING | the same bytes again, and a warning |
| PENDING | a nonce below it is free again | PENDING | first what belongs there, else a filler |
| MINED, REVERTED | its block is gone, its receipt in another | MINED, REVERTED | that block |
| MINED, REVERTED | its block is gone, and its receipt too | PENDING | the same bytes again |
| REPLACED | a receipt of one of its forms after all | MINED, REVERTED | - |
| REPLACED | the account's nonce is not above it | PENDING | the same bytes again |
| MINED | `WATCH_BLOCKS` blocks on it | SETTLED | no more looks |
| REVERTED | `WATCH_BLOCKS` blocks on it | FAILED | no more looks |
| REPLACED | `WATCH_BLOCKS` blocks on it | LOST | no more looks |
| SETTLED, FAILED, LOST | as REPLACED's last: a reorganisation so deep | PENDING | as there |

No state says "sent": whatever a send answers, it may have been accepted. No depth is believed to
be final, not even `finalized`; deep is only what is no longer asked for.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from enclave.domain.errors import ChainError

#: Blocks on a transaction before it is no longer asked for; twice Ethereum's finality.
WATCH_BLOCKS: Final = 128


class TransactionState(StrEnum):
    """Where a transaction stands; the values are those in the journal."""

    PENDING = "pending"
    MINED = "mined"
    REVERTED = "reverted"
    REPLACED = "replaced"
    SETTLED = "settled"
    FAILED = "failed"
    LOST = "lost"


_PENDING, _MINED, _REVERTED, _REPLACED, _SETTLED, _FAILED, _LOST = TransactionState

#: What each state becomes when it is deep.
DEEP: Final[Mapping[TransactionState, TransactionState]] = {
    _MINED: _SETTLED,
    _REVERTED: _FAILED,
    _REPLACED: _LOST,
}
#: In a block as far as is known: the nonce is used, and by us.
USED: Final = frozenset({_MINED, _REVERTED, _SETTLED, _FAILED})
#: Every state but the open one.
ENDED: Final = frozenset(TransactionState) - {_PENDING}

_FOLLOWS: Final[Mapping[TransactionState, frozenset[TransactionState]]] = {
    _PENDING: frozenset({_PENDING, _MINED, _REVERTED, _REPLACED}),
    _MINED: frozenset({_PENDING, _MINED, _REVERTED, _SETTLED}),
    _REVERTED: frozenset({_PENDING, _MINED, _REVERTED, _FAILED}),
    _REPLACED: frozenset({_PENDING, _MINED, _REVERTED, _LOST}),
    _SETTLED: frozenset({_PENDING}),
    _FAILED: frozenset({_PENDING}),
    _LOST: frozenset({_PENDING}),
}


def follow(state: TransactionState, following: TransactionState) -> TransactionState:
    """The state that follows; the table above has no other way.

    Raises:
        ChainError: It cannot follow: a fault of this program.
    """
    if following not in _FOLLOWS[state]:
        raise ChainError(f"a transaction that is {state} cannot become {following}")
    return following
