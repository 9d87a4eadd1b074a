"""TCP ports on loopback that are known before anybody listens on them."""

import contextlib
import socket
from collections.abc import Iterator

from enclave.domain.errors import ConfigError

_HOST = "127.0.0.1"


@contextlib.contextmanager
def reserved_ports(count: int) -> Iterator[tuple[int, ...]]:
    """Keep free ports for listeners to come, for the length of the block.

    Each is held by a socket that is bound and never listens: the kernel gives the port to nobody
    who asks for any, connections to it are refused, and a listener that names it (with
    `SO_REUSEADDR`, which asyncio sets) gets it, again and again.

    Raises:
        ConfigError: None are left.
    """
    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(count):
            keeper = stack.enter_context(socket.socket())
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                keeper.bind((_HOST, 0))
            except OSError as error:
                raise ConfigError(f"no free port on {_HOST}: {error.strerror}") from error
            ports.append(int(keeper.getsockname()[1]))
        yield tuple(ports)
