"""The runbook has a page for every area that can raise an alarm, and a line for every metric."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from oracle.telemetry.chain_metrics import CHAIN_COUNTERS
from oracle.telemetry.metrics import COUNTERS, render_metrics
from oracle.telemetry.state import (
    ChainState,
    FeedState,
    HubFeed,
    NodeState,
    PeerState,
    QuorumState,
    StandingState,
)

_ROOT = Path(__file__).parents[2]
_RUNBOOK = (_ROOT / "oracle" / "README.md").read_text()
_RAISES = frozenset({"set", "alarm", "notice"})
_PAGE = ("**It means**:", "**The node**:", "**You**:")


def _constants(tree: ast.Module, *, follow: bool) -> dict[str, str]:
    """Names that a module gives to texts; with `follow` those that it imports, too."""
    found: dict[str, str] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                found[name] = text
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text))):
                found[name] = text
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                pairs = zip(names, values, strict=True)
                found |= {
                    name.id: value.value
                    for name, value in pairs
                    if isinstance(name, ast.Name)
                    and isinstance(value, ast.Constant)
                    and isinstance(value.value, str)
                }
            case ast.ImportFrom(module=str(module), names=names) if follow:
                path = _ROOT / (module.replace(".", "/") + ".py")
                text = path.read_text() if path.exists() else ""
                known = _constants(ast.parse(text), follow=False)
                found |= {
                    one.asname or one.name: known[one.name] for one in names if one.name in known
                }
    return found


def raised_areas(source: str) -> Iterator[str]:
    """The area of each call of `Problems` that raises something; `?` for what cannot be read."""
    tree = ast.parse(source)
    known = _constants(tree, follow=True)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr=name), args=[area, _]) if (
                name in _RAISES and "problems" in ast.unparse(owner)
            ):
                match area:
                    case ast.Constant(value=str(text)):
                        yield text
                    case ast.Name(id=constant):
                        yield known.get(constant, "?")
                    case _:
                        yield "?"


def _areas() -> set[str]:
    modules = (_ROOT / "oracle").rglob("*.py")
    return {area for path in modules for area in raised_areas(path.read_text())}


def _pages() -> dict[str, str]:
    """Area -> its page."""
    parts = re.split(r"^### Area `([^`]+)`.*$", _RUNBOOK, flags=re.MULTILINE)
    pages = (re.split(r"^##", page, maxsplit=1, flags=re.MULTILINE)[0] for page in parts[2::2])
    return dict(zip(parts[1::2], pages, strict=True))


def test_every_area_of_the_code_has_its_page_and_no_page_is_of_none() -> None:
    assert _areas() == set(_pages())


def test_every_page_says_what_it_means_what_the_node_does_and_what_is_left_to_do() -> None:
    for area, page in _pages().items():
        assert [word for word in _PAGE if word not in page] == [], area


def test_an_area_is_found_however_it_is_written() -> None:
    source = """
from oracle.daemon.reload import AREA as GIVEN
A, B = "a", "b"
C = "c"
D: Final = "d"
def f(self, problems, x):
    self._problems.set("here", "line")
    problems.alarm(A, "line")
    problems.alarm(D, "line")
    self._problems.notice(C, "line")
    self._problems.set(GIVEN, "line")
    self._problems.set(x, "line")
    self._event.set()
"""
    assert sorted(raised_areas(source)) == ["?", "a", "c", "config", "d", "here"]


def _metrics() -> set[str]:
    """Names of all metrics, of a node that has everything to tell."""
    chain = ChainState("x", is_dry_run=False, feeds={b"": HubFeed("A/B", b"", landed_at=1)})
    chain.standing = StandingState(expires_at=1, limited_by="collateral")
    chain.balance_wei = 1
    chain.collateral = {"x": 1}
    chain.quorum = QuorumState(peers={"0x": PeerState("0x", "https://x")})
    chain.counters = {name: lambda: 0.0 for name in CHAIN_COUNTERS}
    state = NodeState(started_at=0, feeds={b"": FeedState("A/B", b"", 8)}, chains=(chain,))
    state.counters = {name: lambda: 0.0 for name in COUNTERS}
    text = render_metrics(state).decode()
    return set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))


def _told() -> set[str]:
    """Names in the runbook; of `oracle_a_{b,c}_d` each. What is in the last braces is a label."""
    told: set[str] = set()
    for before, inside, after in re.findall(r"(oracle_[a-z_]+)(?:\{([a-z_,]+)\})?(\w*)", _RUNBOOK):
        is_label = before[-1] != "_"
        told |= {before} if is_label else {before + word + after for word in inside.split(",")}
    shorthand = re.findall(r"`oracle_reports_landed_total`, `_(\w+)`", _RUNBOOK)
    return told | {"oracle_reports_" + name for name in shorthand}


def test_every_metric_has_its_line() -> None:
    told = _told()
    assert [name for name in sorted(_metrics()) if not {name, name + "_total"} & told] == []


def test_a_metric_without_a_line_would_be_seen() -> None:
    assert "oracle_relay_sent_bytes_total" in _told()
    assert "oracle_relay_sent_bytes" not in _told()
    assert "oracle_nothing" not in _told()
