"""`oracle rotate`: another enclave with another key, while reports go on."""

import asyncio
import signal
from pathlib import Path

import typer

from oracle.cli.outcome import ConfigPath, ends_with_status
from oracle.cli.running import NotTaken, View, tell
from oracle.config import load_chains
from oracle.daemon.presence import find_daemon


def rotate(config: ConfigPath = Path("oracle.toml")) -> None:
    """Have the running node replace its enclave, and so its signing key.

    The new enclave is registered and seated before the old one ends, so that no heartbeat is
    missed: on every chain that takes the old one's reports now. On others that follows. Exit status
    3: no node runs, or the new enclave is not accepted; the old one goes on.
    """
    with ends_with_status():
        settings = load_chains(config)[0]
        daemon = find_daemon(settings.enclave.runtime_dir)
        if daemon is None:
            raise NotTaken("no node runs with this configuration: `oracle run` makes a new key")
        view = asyncio.run(tell(daemon, signal.SIGUSR1, _is_rotated))
        typer.echo(f"signer {view['signer']['address']} has taken over")


def _is_rotated(before: View, view: View) -> bool:
    """Whether another signer has taken over.

    Raises:
        NotTaken: The attempt failed.
    """
    if view["rotation"]["attempts"] <= before["rotation"]["attempts"]:
        return False
    if view["rotation"]["fault"]:
        raise NotTaken(f"the enclave is not rotated: {view['rotation']['fault']}")
    return True
