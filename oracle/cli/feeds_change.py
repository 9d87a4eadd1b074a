"""`oracle feeds add|pause|resume|remove`: edit the configuration file and have the node take it."""

import asyncio
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from enclave.domain.errors import ConfigError
from oracle.cli.outcome import ConfigPath, ends_with_status
from oracle.cli.running import NotTaken, View, signal_daemon, tell
from oracle.config import parse_chains, read_config, replace_config, set_lists
from oracle.daemon.presence import find_daemon
from oracle.feeds.catalogue import Feed, load_catalogue
from oracle.feeds.configured import node_feeds, paused_feeds

Names = Annotated[
    list[str], typer.Argument(metavar="FEED...", help="of the catalogue, or a TOML file")
]


@dataclass(frozen=True, slots=True)
class Lists:
    """What the section `feeds` names.

    Attributes:
        catalogue: Names; `None` where the section names none, which may mean all.
        files: Absolute paths.
        paused: Names.
    """

    catalogue: tuple[str, ...] | None
    files: tuple[Path, ...]
    paused: tuple[str, ...]

    def spelled_out(self) -> "Lists":
        """The same with every name in it: a section without any means the whole catalogue."""
        if self.catalogue is not None or self.files:
            return replace(self, catalogue=self.catalogue or ())
        return replace(self, catalogue=tuple(load_catalogue()))


Edit = Callable[[Lists, str], Lists]


def add(names: Names, config: ConfigPath = Path("oracle.toml")) -> None:
    """Serve more feeds: in the file, and at once in the running node."""
    _change(config, names, _add)


def remove(names: Names, config: ConfigPath = Path("oracle.toml")) -> None:
    """Serve feeds no longer: in the file, and at once in the running node."""
    _change(config, names, _remove)


def pause(names: Names, config: ConfigPath = Path("oracle.toml")) -> None:
    """Stop to price and report feeds until they are resumed; they stay in the file."""
    _change(config, names, _pause)


def resume(names: Names, config: ConfigPath = Path("oracle.toml")) -> None:
    """Price and report paused feeds again."""
    _change(config, names, _resume)


def _add(lists: Lists, name: str) -> Lists:
    full = lists.spelled_out()
    catalogue = full.catalogue or ()
    if name.endswith(".toml"):
        path = Path(name).resolve()
        if path in full.files:
            raise ConfigError(f"feed {name} is served already")
        return replace(full, files=(*full.files, path))
    if name not in load_catalogue():
        raise ConfigError(f"feed {name!r} is not in the catalogue; `oracle feeds list` shows it")
    if name in catalogue:
        raise ConfigError(f"feed {name!r} is served already")
    return replace(full, catalogue=(*catalogue, name))


def _remove(lists: Lists, name: str) -> Lists:
    full = lists.spelled_out()
    stem = _named(full, name)
    catalogue = tuple(each for each in full.catalogue or () if each != name)
    files = full.files
    if name.endswith(".toml"):
        files = tuple(each for each in files if each != Path(name).resolve())
    elif catalogue == full.catalogue:
        files = tuple(each for each in files if each.stem != name)
    if not catalogue and not files:
        raise ConfigError("no feed would be left: stop the node instead")
    is_left = stem in catalogue or stem in [each.stem for each in files]
    paused = full.paused if is_left else tuple(each for each in full.paused if each != stem)
    return Lists(catalogue, files, paused)


def _pause(lists: Lists, name: str) -> Lists:
    # Also one that is there only because others convert by it; the check of the file knows them.
    stem = Path(name).stem if name.endswith(".toml") else name
    if stem in lists.paused:
        raise ConfigError(f"feed {stem!r} is paused already")
    return replace(lists, paused=(*lists.paused, stem))


def _resume(lists: Lists, name: str) -> Lists:
    stem = Path(name).stem if name.endswith(".toml") else name
    if stem not in lists.paused:
        raise ConfigError(f"feed {stem!r} is not paused")
    return replace(lists, paused=tuple(each for each in lists.paused if each != stem))


def _named(lists: Lists, name: str) -> str:
    """The name by which a feed of the section is paused.

    Raises:
        ConfigError: The section does not name it.
    """
    stems = [path.stem for path in lists.files]
    if name.endswith(".toml") and Path(name).resolve() in lists.files:
        return Path(name).stem
    if name in (lists.catalogue or ()) or name in stems:
        return name
    raise ConfigError(f"feed {name!r} is not among those that the configuration names")


def _change(path: Path, names: list[str], edit: Edit) -> None:
    """Nothing is written before the whole new file was found good."""
    with ends_with_status():
        before = read_config(path)
        settings = parse_chains(before, path)[0]
        base = path.resolve().parent
        lists = Lists(settings.feeds.catalogue, settings.feeds.files, settings.feeds.paused)
        for name in names:
            lists = edit(lists, name)
        after = set_lists(before, "feeds", _as_texts(lists, base), source=str(path))
        wanted = parse_chains(after, path)
        feeds = node_feeds(wanted)
        if edit is _remove:
            _check_needed(names, lists, feeds)
        paused = paused_feeds(wanted[0], feeds)
        served = {"0x" + feed.feed_id.hex(): feed.feed_id in paused for feed in feeds}
        replace_config(path, before, after)
        daemon = find_daemon(settings.enclave.runtime_dir)
        if daemon is None:
            typer.echo(f"{path} is changed; no node runs with it")
            return
        try:
            asyncio.run(tell(daemon, signal.SIGHUP, lambda old, new: _is_taken(old, new, served)))
        except NotTaken:
            replace_config(path, after, before)
            signal_daemon(daemon, signal.SIGHUP)
            typer.echo(f"{path} is as it was before", err=True)
            raise
        typer.echo(f"{path} is changed, and the running node has taken it")


def _as_texts(lists: Lists, base: Path) -> Mapping[str, tuple[str, ...]]:
    files = (each.relative_to(base) if each.is_relative_to(base) else each for each in lists.files)
    return {
        "catalogue": lists.catalogue or (),
        "files": tuple(str(each) for each in files),
        "paused": lists.paused,
    }


def _check_needed(names: list[str], lists: Lists, feeds: Iterable[Feed]) -> None:
    """A feed that others convert by cannot be removed: it would be reported all the same."""
    full = lists.spelled_out()
    named = {*(full.catalogue or ()), *(path.stem for path in full.files)}
    served = {feed.name for feed in feeds}
    for name in names:
        stem = Path(name).stem if name.endswith(".toml") else name
        if stem in served - named:
            raise ConfigError(f"feed {stem!r} is needed: others convert by it; pause it instead")


def _is_taken(before: View, view: View, served: Mapping[str, bool]) -> bool:
    """Whether the node has taken these feeds.

    Raises:
        NotTaken: It refuses them.
    """
    if view["config"]["reloads"] <= before["config"]["reloads"]:
        return False
    if view["config"]["fault"]:
        raise NotTaken(f"the node refuses it: {view['config']['fault']}")
    return {feed["feed_id"]: feed["paused"] for feed in view["feeds"]} == served
