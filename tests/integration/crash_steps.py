"""The steps of a transaction between which a process may die: their names, and how each is reached.

Nothing in the program knows of them. A step is a write of the journal, before or after which the
process kills itself, or a request to the node, which the endpoint holds back while the test kills
it. `Step.name` says what is done, and what is not, in the moment of death.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.fakes.rpc_faults import Fault
from tests.fakes.rpc_proxy import SEND

_RECEIPT = frozenset({"eth_getTransactionReceipt"})


class Story(Enum):
    """What the chain does while the process lives; each leads to the steps of its own."""

    FIRST = "a call is sent"
    RAISED = "a sent call is in no block in time"
    SUPERSEDED = "a sent call waits, and a newer one comes"
    MINED = "a sent call is mined"
    REVERTED = "a sent call is mined, and fails"
    FOREIGN = "somebody else uses the nonce of a sent call"
    REOPENED = "the block of a mined call is taken back"
    MOVED = "a mined call is in another block"
    FILLED = "the block of somebody else's transaction below a mined call is taken back"
    SETTLED = "128 blocks stand on a mined call"


@dataclass(frozen=True, slots=True)
class Write:
    """A write of the journal.

    Attributes:
        method: The journal's.
        moment: `before` or `after`.
        facts: Among its arguments; bytes in hexadecimal.
    """

    method: str
    moment: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def deadly(self, **more: Any) -> dict[str, Any]:
        """As a process is told it."""
        return {"method": self.method, "moment": self.moment, "facts": {**self.facts, **more}}


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to the node.

    Attributes:
        methods: Of which the first is held back.
        fault: Whether the node gets it; the process gets no answer.
    """

    methods: Collection[str]
    fault: Fault


@dataclass(frozen=True, slots=True)
class Step:
    """One of them."""

    name: str
    story: Story
    place: Write | Ask


def _written(
    what: str, story: Story, method: str, facts: Mapping[str, Any] | None = None
) -> tuple[Step, Step]:
    before, after = (Write(method, moment, facts or {}) for moment in ("before", "after"))
    return Step(f"{what}, not written", story, before), Step(f"{what}, written", story, after)


def _taken(what: str, story: Story) -> Step:
    name = f"{what}, taken by the node, answer unread"
    return Step(name, story, Ask(SEND, Fault.DELAYED))


STEPS = (
    *_written("intent", Story.FIRST, "begin"),
    Step("first form, on its way", Story.FIRST, Ask(SEND, Fault.HANGING)),
    _taken("first form", Story.FIRST),
    *_written("raised form", Story.RAISED, "add_attempt"),
    _taken("raised form", Story.RAISED),
    *_written("superseding form", Story.SUPERSEDED, "add_attempt"),
    _taken("superseding form", Story.SUPERSEDED),
    Step("receipt, on its way", Story.MINED, Ask(_RECEIPT, Fault.HANGING)),
    *_written("success", Story.MINED, "finish", {"state": "mined"}),
    *_written("failure", Story.REVERTED, "finish", {"state": "reverted"}),
    *_written("loss of the nonce", Story.FOREIGN, "finish", {"state": "replaced"}),
    *_written("loss of the block", Story.REOPENED, "reopen"),
    *_written("another block", Story.MOVED, "finish", {"state": "mined"}),
    *_written("filler of a nonce", Story.FILLED, "begin", {"purpose": "fill_nonce"}),
    *_written("depth", Story.SETTLED, "settle"),
)


class Outage(Enum):
    """What the chain does before the process is started again."""

    NOTHING = "nothing"
    DROPPED = "drops it from the pool"
    MINED = "mines it"
    GONE = "mines it, and takes the block back"
    MOVED = "mines it, and takes the block back into the pool"
    REVERTED = "mines it, and it fails"
    FOREIGN = "mines somebody else's with its nonce"
    DEAR = "wants more than the cap for three blocks"
