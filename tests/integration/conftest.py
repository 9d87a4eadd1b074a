import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from oracle.devnet.price_sources import PriceSources, price_sources
from oracle.feeds.catalogue import Feed, load_catalogue, select


@pytest.fixture
async def sources(tmp_path: Path) -> AsyncIterator[PriceSources]:
    """Local price sources as a process of their own."""
    folder = tmp_path / "pki"
    folder.mkdir(mode=0o700)
    async with price_sources(folder, seed=1) as running:
        yield running


@pytest.fixture
def short_tmp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for temporary files whose path leaves room for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.fixture(scope="session")
def feeds() -> tuple[Feed, ...]:
    """ETH/USD and what it converts by."""
    return select(load_catalogue(), ["eth-usd"])
