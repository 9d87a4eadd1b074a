"""Composition root: the only place that picks an attester and a transport.

The process first replaces itself by one with a literal environment; what is heavy to import
comes after that.
"""

import gc
import os
import resource
import sys
import time

from enclave.domain.errors import ConfigError
from enclave.hardening import enter_clean_process, harden, load_prctl
from enclave.log import Log, public_text

if __name__ == "__main__":
    try:
        enter_clean_process(os.environ, sys.argv[1:], flags=sys.flags, replace=os.execve)
        harden(prctl=load_prctl(), limit=resource.setrlimit)
    except ConfigError as error:
        Log(sys.stderr, time.monotonic).error("not_hardened", message=public_text(error))
        sys.exit(2)

import argparse
import asyncio
import hashlib
import json
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from enclave import VERSION
from enclave.attesters.base import Attester
from enclave.attesters.simulated import SimulatedAttester, measure
from enclave.circuit import Venues
from enclave.domain.evidence import TeeKind
from enclave.egress import Egress
from enclave.guard import Guard
from enclave.keys import Keys, libsecp256k1
from enclave.operations import Identity, Operations
from enclave.round import Rounds
from enclave.service import Service
from enclave.signer import Signer
from enclave.sources import ADAPTERS
from enclave.transport import Limits, Listener

FOLDER = Path(__file__).parent
EXIT_OK = 0
EXIT_FAULT = 1
EXIT_CONFIG = 2
MAX_CA_BYTES = 1_048_576

_EPILOG = """\
addresses:
  unix:/PATH        a socket in a directory that host and enclave share
  vsock:CID:PORT    a virtual machine's socket; CID 4294967295 listens on any

example, on emulated hardware:
  python -m enclave --listen unix:/run/oracle/enclave.sock --relay unix:/run/oracle/relay.sock \\
      --attester simulated --tee tdx --silicon /run/oracle/silicon.sock

It writes one JSON line to stdout when it listens, and its log as JSON lines to stderr.
Exit status: 0 asked to end, 1 a fault, 2 wrong arguments or files.
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """The command line.

    Attributes:
        listen: Address for the host's connections.
        relay: Address of the host's relay.
        attester: Name of the attester.
        tee: Platform of the evidence.
        silicon: Socket of the emulated vendor, with the attester `simulated` only.
        extra_ca: PEM file of a further CA, emulated hardware only.
    """

    listen: str
    relay: str
    attester: str
    tee: TeeKind
    silicon: Path | None
    extra_ca: Path | None


def parse_arguments(arguments: Sequence[str]) -> Settings:
    """Read the command line; exits with 2 and says what is wrong.

    An attester is named, never detected.
    """
    parser = argparse.ArgumentParser(
        prog="python -m enclave",
        description="Fetch, aggregate and sign prices inside a TEE; the host asks over a socket.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--listen", required=True, metavar="ADDRESS", help="where the host connects to")
    add("--relay", required=True, metavar="ADDRESS", help="where the host's relay listens")
    add(
        "--attester",
        required=True,
        metavar="NAME",
        help="who makes evidence: simulated (emulated hardware, which protects nothing)",
    )
    add("--tee", required=True, choices=("sgx", "tdx"), help="platform of the evidence")
    add(
        "--silicon",
        type=Path,
        metavar="PATH",
        help="emulated vendor's socket; only with --attester simulated",
    )
    add(
        "--extra-ca",
        type=Path,
        metavar="PATH",
        help="one more CA file, PEM; measured; only with --attester simulated",
    )
    options = parser.parse_args(arguments)
    return Settings(
        listen=options.listen,
        relay=options.relay,
        attester=options.attester,
        tee=TeeKind[options.tee.upper()],
        silicon=options.silicon,
        extra_ca=options.extra_ca,
    )


def main(arguments: Sequence[str], *, log: Log) -> int:
    """Run the enclave until it is asked to end.

    Returns:
        The exit status.
    """
    settings = parse_arguments(arguments)
    try:
        asyncio.run(run(settings, log=log))
    except ConfigError as error:
        log.error("wrong_configuration", message=public_text(error))
        return EXIT_CONFIG
    # The one task boundary: whatever was not foreseen ends the process. Values may be secret, so
    # only the kind and the place are logged.
    except Exception as error:  # noqa: BLE001  # the boundary itself
        for kind, place in describe_faults(error):
            log.error("fault", error=kind, place=place)
        return EXIT_FAULT
    return EXIT_OK


async def run(settings: Settings, *, log: Log) -> None:
    """Compose everything and serve until shutdown or a signal.

    Raises:
        ConfigError: A file or an address cannot be used.
    """
    ca_pem = _read(FOLDER / "ca" / "roots.pem")
    extra_ca = _read(settings.extra_ca) if settings.extra_ca else None
    attester = make_attester(settings, extra_ca)
    keys = Keys(os.urandom, libsecp256k1())
    stop = asyncio.Event()
    listener = Listener(settings.listen, limits=Limits(), log=log)
    venues = Venues(keys.address, time.monotonic)
    async with Egress(
        settings.relay, ca_pem=ca_pem, extra_ca=extra_ca, meter=venues.received
    ) as egress:
        guard = Guard(egress, venues, time.monotonic)
        operations = Operations(
            identity=Identity(VERSION, hashlib.sha256(ca_pem).digest(), tuple(sorted(ADAPTERS))),
            keys=keys,
            attester=attester,
            rounds=Rounds(fetcher=guard, adapters=ADAPTERS, monotonic=time.monotonic, log=log),
            signer=Signer(keys),
            monotonic=time.monotonic,
            connections=lambda: listener.accepted,
            sources=venues.health,
            log=log,
        )
        service = Service(operations.handlers(), stop=stop.set, log=log)
        # What is loaded by now lives as long as the process: a full collection that walks it halts
        # a round for 6 to 10 ms.
        gc.freeze()
        with listener, _signals(stop.set):
            _say_listening(settings, keys)
            await _serve_until(stop, listener, service)


def make_attester(settings: Settings, extra_ca: bytes | None) -> Attester:
    """The attester that the command line names.

    Raises:
        ConfigError: Another name, an option that belongs to another attester, or one missing.
    """
    if settings.attester != "simulated":
        if settings.extra_ca or settings.silicon:
            raise ConfigError("--extra-ca and --silicon are only for --attester simulated")
        raise ConfigError(f"attester is {settings.attester!r}, wanted simulated")
    if settings.silicon is None:
        raise ConfigError("--attester simulated needs --silicon PATH")
    return SimulatedAttester(
        tee=settings.tee,
        silicon=settings.silicon,
        measurement=measure(FOLDER, extra_ca=extra_ca),
    )


async def _serve_until(stop: asyncio.Event, listener: Listener, service: Service) -> None:
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(listener.run(service.serve))
        await stop.wait()
        serving.cancel()


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT ask for the end."""
    loop = asyncio.get_running_loop()
    wanted = (signal.SIGTERM, signal.SIGINT)
    for number in wanted:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in wanted:
            loop.remove_signal_handler(number)


def _read(path: Path) -> bytes:
    """A CA file.

    Raises:
        ConfigError: It cannot be read or is too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CA_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > MAX_CA_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_CA_BYTES} bytes")
    return content


def _say_listening(settings: Settings, keys: Keys) -> None:
    line = {
        "event": "listening",
        "address": settings.listen,
        "signer": f"0x{keys.address.hex()}",
        "attester": settings.attester,
        "version": VERSION,
    }
    print(json.dumps(line), flush=True)  # noqa: T201  # the host waits for it


def describe_faults(error: BaseException) -> Iterator[tuple[str, str]]:
    """Kind and place (file and line) of every exception inside groups."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from describe_faults(inner)
        return
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
    yield type(error).__name__, place


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], log=Log(sys.stderr, time.monotonic)))
