"""The feeds that a configuration names."""

from oracle.config import Config
from oracle.feeds.catalogue import Feed, load_catalogue, load_feed, select


def configured_feeds(config: Config) -> tuple[Feed, ...]:
    """The feeds to serve, and all that they convert by.

    Raises:
        ConfigError: An unknown name, or a file that is no definition.
    """
    catalogue = dict(load_catalogue())
    names = list(config.feeds.catalogue or ())
    if config.feeds.catalogue is None and not config.feeds.files:
        names = list(catalogue)
    for path in config.feeds.files:
        catalogue[str(path)] = load_feed(path)
        names.append(str(path))
    return select(catalogue, names)
