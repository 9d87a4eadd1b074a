"""What the demo shows: rows for people, one JSON document for machines."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

#: Said in every form of output: what a demo on one machine does and does not show.
EMULATED = (
    "The hardware is EMULATED: a process on this machine plays the vendor and signs the enclave's"
    " quote in the vendor's exact format, under a throw-away root key. The contracts run the same"
    " checks as for real hardware, but nothing here keeps this machine's owner from reading the"
    " enclave's key, so these prices prove nothing to anyone else. Verifiers built for this root"
    " exist only on local chains (tier DEV)."
)
LOCAL_SOURCES = (
    "The price sources are local stand-ins with the venues' names and formats; their prices are"
    " made up."
)
LIVE_SOURCES = "The price sources are the real venues."


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One feed in one round.

    Attributes:
        name: `BASE/QUOTE`.
        feed_id: `0x` and 64 digits.
        answer: What the enclave signed, as decimal text.
        sources_used: Sources inside the outlier bound.
        sources_asked: Sources in the definition.
        dispersion_bps: Largest distance of a used source from the answer.
        observed_at: The round, in seconds since the epoch.
        consumer_reads: What the example consumer read on the chain, as decimal text; empty if
            it could not read.
        matches: Whether the consumer read exactly what was signed, of this round.
        problem: Why the feed has no answer; empty if it has one.
    """

    name: str
    feed_id: str
    answer: str
    sources_used: int
    sources_asked: int
    dispersion_bps: str
    observed_at: int
    consumer_reads: str
    matches: bool
    problem: str


@dataclass(frozen=True, slots=True)
class RoundView:
    """One round.

    Attributes:
        number: From 1.
        observed_at: Its id, in seconds since the epoch; 0 if there was no report.
        transaction: Hash, `0x` and 64 digits; empty if nothing was sent.
        gas_used: Of the transaction.
        landed: Whether every feed landed and its consumer read what was signed.
        feeds: In the order of the hub.
        problem: Why there was no report that counts; empty if there was one.
        leader: Number of the node that collected the signatures and sent the report; 0 without.
        signers: Numbers of the nodes whose enclaves signed it, as recovered from its bytes on the
            chain.
        nodes_up: How many nodes the chain took reports of at that moment.
    """

    number: int
    observed_at: int
    transaction: str
    gas_used: int
    landed: bool
    feeds: tuple[FeedRow, ...]
    problem: str
    leader: int
    signers: tuple[int, ...]
    nodes_up: int


@dataclass(frozen=True, slots=True)
class SignerView:
    """The signer as the registry holds it.

    Attributes:
        address: Of the key that exists only in the enclave.
        tee: Platform.
        tier: How the evidence was checked.
        image_id: What was measured, `0x` and 64 digits.
        expires_at: End of the registration, in seconds since the epoch.
        is_sandboxed: Whether the enclave's process runs in bubblewrap.
    """

    address: str
    tee: str
    tier: str
    image_id: str
    expires_at: int
    is_sandboxed: bool

    def days_left(self, now: int) -> str:
        """Days to the end of the registration, one decimal."""
        tenths = max(0, self.expires_at - now) * 10 // 86_400
        return f"{tenths // 10}.{tenths % 10}"


@dataclass(frozen=True, slots=True)
class NodeView:
    """One operator's node.

    Attributes:
        number: From 1, in the order of the seats.
        operator: Address that pays gas and holds the seat.
        signer: Of its enclave; `None` before the chain takes it.
    """

    number: int
    operator: str
    signer: SignerView | None


@dataclass(frozen=True, slots=True)
class QuorumView:
    """Who makes reports.

    Attributes:
        signatures: That the hub wants of a report.
        nodes: All of them.
    """

    signatures: int
    nodes: tuple[NodeView, ...]


def decimal_text(units: int, decimals: int) -> str:
    """`units / 10**decimals` as text with all its digits."""
    digits = f"{abs(units):0{decimals + 1}d}"
    cut = len(digits) - decimals
    text = f"{digits[:cut]}.{digits[cut:]}" if decimals else digits
    return f"-{text}" if units < 0 else text


def document(
    rounds: Sequence[RoundView], quorum: QuorumView, *, is_live: bool, elapsed_s: float
) -> dict[str, Any]:
    """The whole demo as one JSON document.

    Attributes are those of the views; `ok` is the exit status, `signer` the first node's.
    """
    first = quorum.nodes[0].signer if quorum.nodes else None
    return {
        "ok": bool(rounds) and all(view.landed for view in rounds),
        "notice": EMULATED,
        "sources": LIVE_SOURCES if is_live else LOCAL_SOURCES,
        "signer": asdict(first) if first else None,
        "quorum": quorum.signatures,
        "nodes": [asdict(node) for node in quorum.nodes],
        "rounds": [asdict(view) for view in rounds],
        "elapsed_s": f"{elapsed_s:.1f}",
    }


def screen(view: RoundView, quorum: QuorumView) -> RenderableType:
    """The live screen: signers, the last round, its feeds."""
    is_alone = len(quorum.nodes) == 1
    head = [_node_line(node, is_alone=is_alone) for node in quorum.nodes if node.signer]
    told = [] if is_alone else [_quorum_line(view, quorum)]
    table = [_table(view)] if view.feeds else []
    return Group(*head, *told, _round_line(view), *table)


def _node_line(node: NodeView, *, is_alone: bool) -> Text:
    line = _signer_line(node.signer) if node.signer is not None else Text("no signer")
    return line if is_alone else Text.assemble(f"node {node.number} · ", line)


def _quorum_line(view: RoundView, quorum: QuorumView) -> Text:
    total = len(quorum.nodes)
    text = f"{quorum.signatures} of {total} must sign · {view.nodes_up} of {total} nodes are up"
    if view.leader:
        text += f" · led by node {view.leader}"
    return Text(text + (f" · {signed_by(view)}" if view.signers else ""))


def signed_by(view: RoundView) -> str:
    """Which nodes signed a round: `signed by nodes 1, 2 and 5`."""
    *most, last = [str(number) for number in view.signers]
    return f"signed by nodes {', '.join(most)} and {last}" if most else f"signed by node {last}"


def _signer_line(signer: SignerView) -> Text:
    days = signer.days_left(int(time.time()))
    sandbox = "sandboxed" if signer.is_sandboxed else "NOT sandboxed"
    return Text(
        f"signer {signer.address} · TEE {signer.tee} (emulated) · tier {signer.tier} · image"
        f" {signer.image_id[:18]}… · {days} days left · {sandbox}"
    )


def _round_line(view: RoundView) -> Text:
    if view.problem:
        return Text(f"round {view.number}: {view.problem}", style="red")
    return Text(
        f"round {view.number} · id {view.observed_at} · transaction {view.transaction[:18]}…"
        f" · {view.gas_used:,} gas · {'landed' if view.landed else 'NOT LANDED'}",
        style="green" if view.landed else "red",
    )


def _table(view: RoundView) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("feed", "answer", "sources", "dispersion", "age", "consumer reads", ""):
        table.add_column(title, justify="left" if title in ("feed", "") else "right")
    now = int(time.time())
    for row in view.feeds:
        table.add_row(
            row.name,
            row.answer or "-",
            f"{row.sources_used}/{row.sources_asked}",
            f"{row.dispersion_bps} bps",
            f"{max(0, now - row.observed_at)} s" if row.observed_at else "-",
            row.consumer_reads or "-",
            row.problem or ("equal" if row.matches else "DIFFERS"),
        )
    return table
