"""The feeds that a configuration names."""

from collections.abc import Iterable, Sequence

from enclave.domain.errors import ConfigError
from oracle.config import Config
from oracle.feeds.catalogue import Feed, load_catalogue, load_feed, select


def configured_feeds(config: Config) -> tuple[Feed, ...]:
    """The feeds to serve, and all that they convert by.

    A feed that is paused is among them only if another one converts by it; see `paused_feeds`.

    Raises:
        ConfigError: An unknown name, a file that is no definition, or all feeds are paused.
    """
    catalogue = dict(load_catalogue())
    names = list(config.feeds.catalogue or ())
    if config.feeds.catalogue is None and not config.feeds.files:
        names = list(catalogue)
    for path in config.feeds.files:
        catalogue[str(path)] = load_feed(path)
        names.append(str(path))
    paused = set(config.feeds.paused)
    known = {feed.name for feed in select(catalogue, names)}
    for name in config.feeds.paused:
        if name not in known:
            raise ConfigError(f"feeds.paused names {name!r}, which is none of the feeds")
    for name in config.chain.feeds or ():
        if name not in known:
            raise ConfigError(
                f"chain {config.chain.name} reports {name!r}, which is none of the feeds"
            )
    served = [name for name in names if name not in catalogue or catalogue[name].name not in paused]
    if names and not served:
        raise ConfigError("feeds.paused names all feeds: stop the node instead")
    return select(catalogue, served)


def node_feeds(configs: Sequence[Config]) -> tuple[Feed, ...]:
    """The feeds to serve, whichever chains they are reported on.

    Args:
        configs: One for each chain, alike in what chains share.

    Raises:
        ConfigError: As `configured_feeds`.
    """
    found = [configured_feeds(config) for config in configs]
    return found[0]


def chain_feeds(config: Config, feeds: Iterable[Feed]) -> tuple[Feed, ...]:
    """Those of the feeds that are reported on this chain."""
    wanted = config.chain.feeds
    return tuple(feed for feed in feeds if wanted is None or feed.name in wanted)


def paused_feeds(config: Config, feeds: Iterable[Feed]) -> frozenset[bytes]:
    """Ids of those of the feeds that are paused: others convert by them, and that is all."""
    return frozenset(feed.feed_id for feed in feeds if feed.name in config.feeds.paused)
