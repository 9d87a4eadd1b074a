"""No error, whatever forces it, and no log, however loud, holds a secret of the configuration."""

import asyncio
import base64
import io
import json
import logging
import re
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from eth_account import Account
from typer.testing import CliRunner

from enclave.domain.errors import ChainError, OracleError
from enclave.domain.evidence import TeeKind
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.attestation.endorsements.pcs import PckCa, Platform
from oracle.chain.evm import EvmChain
from oracle.chain.rpc import open_rpc
from oracle.cli import build_app
from oracle.collateral.source import Service
from oracle.devnet.anvil import CHAIN_ID, anvil
from oracle.telemetry.logging import configure_logging
from tests.fakes.canary import Canary, search, text_canary
from tests.fakes.geth_node import geth_node
from tests.fakes.rpc_faults import Fault
from tests.fakes.rpc_proxy import rpc_proxy

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
TIMEOUT_S = 0.3


@dataclass(frozen=True)
class Endpoint:
    """A URL with a secret in each place that it has for one."""

    name: Canary
    password: Canary
    token: Canary
    query: Canary

    @classmethod
    def fresh(cls) -> "Endpoint":
        return cls(
            name=text_canary("name in a URL"),
            password=text_canary("password in a URL", prefix="/@ %"),
            token=text_canary("token in a URL's path"),
            query=text_canary("token in a URL's query"),
        )

    @property
    def header(self) -> Canary:
        """What HTTP makes of name and password."""
        pair = self.name.secret + b":" + self.password.secret
        return Canary("header Authorization", base64.b64encode(pair))

    @property
    def canaries(self) -> tuple[Canary, ...]:
        return (self.name, self.password, self.token, self.query, self.header)

    def url(self, authority: str, *, scheme: str = "http", query: bool = True) -> str:
        login = f"{self.name.text}:{quote(self.password.text, safe='')}"
        asked = f"?apikey={self.query.text}" if query else ""
        return f"{scheme}://{login}@{authority}/v2/{self.token.text}{asked}"


@dataclass
class Seen:
    """Everything that a person or a machine may be shown of what went wrong."""

    logs: io.StringIO = field(default_factory=io.StringIO)
    errors: list[BaseException] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def everything(self) -> bytes:
        said = [self.logs.getvalue(), *self.texts]
        for error in self.errors:
            said += [str(error), repr(error), *traceback.format_exception(error)]
        return "\n".join(said).encode()


@contextmanager
def watching() -> Iterator[Seen]:
    """Logs as loud as the configuration can make them, of the libraries, too."""
    seen = Seen()
    configure_logging(seen.logs, level="debug", style="json")
    handler = logging.StreamHandler(seen.logs)
    logging.getLogger().addHandler(handler)
    try:
        yield seen
    finally:
        logging.getLogger().removeHandler(handler)
        structlog.reset_defaults()


def assert_silent(seen: Seen, canaries: Sequence[Canary]) -> None:
    """Nothing is found; and the search would have found it."""
    said = seen.everything()
    assert search(said, canaries) == [], re.sub(rb"\s+", b" ", said)[:2_000]
    for canary in canaries:
        assert search(said + canary.secret, [canary])


def _evm(rpc: Any) -> EvmChain:
    return EvmChain(rpc, registry=ADDRESS, signer_set=ADDRESS, hub=ADDRESS, verifier_id=1)


async def _ask_everything(url: str, seen: Seen, *, is_sent: bool = True) -> None:
    """As the daemon asks: values, blocks, calls, events, receipts, and a transaction."""
    async with open_rpc([url], chain_id=CHAIN_ID, timeout_s=TIMEOUT_S) as rpc:
        chain = _evm(rpc)
        asked: list[Callable[[], Any]] = [
            chain.head,
            lambda: chain.balance(ADDRESS),
            chain.feed_ids,
            lambda: rpc.request("eth_getTransactionReceipt", ["0x" + 32 * "00"]),
        ]
        if is_sent:
            asked.append(lambda: rpc.request("eth_sendRawTransaction", ["0x02"]))
        for ask in asked:
            try:
                await ask()
            except ChainError as error:
                seen.errors.append(error)


async def test_no_fault_of_an_endpoint_brings_a_secret_of_its_url_into_an_error_or_a_log() -> None:
    endpoint = Endpoint.fresh()
    with watching() as seen:
        async with anvil() as chain, geth_node(chain) as node, rpc_proxy(node, seed=1) as proxy:
            await node.mine(5)
            for fault in Fault:
                await proxy.arm(fault)
                await _ask_everything(endpoint.url(f"127.0.0.1:{proxy.port}"), seen)
                proxy.clear()
            await _ask_everything(endpoint.url(f"127.0.0.1:{proxy.port}", scheme="https"), seen)
            met = {told.fault for told in proxy.told}
        await _ask_everything(endpoint.url("127.0.0.1:1"), seen)
        await _ask_everything(endpoint.url("no-such-host.invalid"), seen)
    assert met >= set(Fault)
    print(f"\ncanary: {len(Fault)} faults of an endpoint, {len(seen.errors)} errors searched")
    assert len(seen.errors) > 2 * len(Fault)
    assert_silent(seen, endpoint.canaries)


#: Replies that give back what was asked, wherever a reply has room; `{}` is the head of the request
#: in one line without quotes.
ECHOES: dict[str, str] = {
    "in the reason": "HTTP/1.1 401 {}",
    "in the reason of a success": "HTTP/1.1 200 {}",
    "in a header": "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {}",
    "in a redirection": "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/{}",
    "in the type": "HTTP/1.1 200 OK\r\nContent-Type: {}",
    "in the encoding": "HTTP/1.1 200 OK\r\nContent-Encoding: {}",
    "in the time to wait": "HTTP/1.1 429 Slow down\r\nRetry-After: {}",
    "in the status line": "{}",
    "in a header that is none": "HTTP/1.1 200 OK\r\n{}",
    "in the length": "HTTP/1.1 200 OK\r\nContent-Length: {}",
    "in a chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
}
BODIES: dict[str, str] = {
    "in a page": "<html>{}</html>",
    "in the message of an error": '{"jsonrpc":"2.0","id":ID,"error":{"code":1,"message":"{}"}}',
    "in the data of an error": (
        '{"jsonrpc":"2.0","id":ID,"error":{"code":3,"message":"execution reverted","data":"{}"}}'
    ),
    "in a revert": (
        '{"jsonrpc":"2.0","id":ID,"error":{"code":3,"message":"reverted","data":"REVERT"}}'
    ),
    "in the code of an error": '{"jsonrpc":"2.0","id":ID,"error":{"code":"{}","message":"x"}}',
    "as the error": '{"jsonrpc":"2.0","id":ID,"error":"{}"}',
    "as the result": '{"jsonrpc":"2.0","id":ID,"result":"{}"}',
    "in the result": '{"jsonrpc":"2.0","id":ID,"result":{"number":"{}","hash":"{}"}}',
    "in a list": '{"jsonrpc":"2.0","id":ID,"result":["{}"]}',
    "as the id": '{"jsonrpc":"2.0","id":"{}","result":"0x1"}',
    "as the version": '{"jsonrpc":"{}","id":ID,"result":"0x1"}',
    "as a name": '{"jsonrpc":"2.0","id":ID,"{}":"0x1"}',
    "as nothing": "{}",
}
_OK = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def _revert(text: str) -> str:
    """ABI of `Error(string)`."""
    raw = text.encode()
    padded = raw + bytes(-len(raw) % 32)
    head = bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + len(raw).to_bytes(32, "big")
    return "0x" + (head + padded).hex()


def _echo(form: str, body: str, said: str, id_: object) -> bytes:
    filled = (
        body.replace("REVERT", _revert(said)).replace("{}", said).replace("ID", json.dumps(id_))
    )
    raw = filled.replace("{}", said).encode()
    head = form.replace("{}", said)
    length = "" if "Length" in head or "chunked" in head else f"Content-Length: {len(raw)}\r\n"
    return f"{head.rstrip()}\r\n{length}\r\n".encode() + raw


@asynccontextmanager
async def echoing(form: str, body: str, parts: Sequence[str]) -> AsyncIterator[int]:
    """A server that answers the chain id and then gives back what it is asked with.

    Args:
        form: Head of the reply.
        body: Of the reply.
        parts: What of the request it gives back.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head.lower())
                asked = json.loads(await reader.readexactly(int(length[1]))) if length else {}
                if asked.get("method") == "eth_chainId":
                    good = json.dumps(
                        {"jsonrpc": "2.0", "id": asked["id"], "result": hex(CHAIN_ID)}
                    )
                    writer.write(_echo(_OK, good, "", 0))
                else:
                    said = " ".join(part for part in parts)
                    writer.write(_echo(form, body, said, asked.get("id")))
                await writer.drain()
        except (EOFError, OSError):
            pass  # The client is gone.
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _forms() -> list[Any]:
    forms = [pytest.param(form, "{}", id=name) for name, form in ECHOES.items()]
    return forms + [pytest.param(_OK, body, id=name) for name, body in BODIES.items()]


@pytest.mark.parametrize(("form", "body"), _forms())
async def test_an_endpoint_that_gives_back_what_it_was_asked_with_is_not_quoted(
    form: str, body: str
) -> None:
    endpoint = Endpoint.fresh()
    parts = [canary.text for canary in endpoint.canaries]
    parts += [quote(endpoint.password.text, safe=""), endpoint.url("host")]
    with watching() as seen:
        for part in parts:
            async with echoing(form, body, [part]) as port:
                await _ask_everything(endpoint.url(f"127.0.0.1:{port}"), seen, is_sent=False)
    assert len(seen.errors) >= len(parts)
    assert_silent(seen, endpoint.canaries)


@pytest.mark.parametrize(("form", "body"), _forms())
async def test_no_answer_of_the_service_for_collateral_brings_out_its_url(
    form: str, body: str
) -> None:
    endpoint = Endpoint.fresh()
    platform = Platform(TeeKind.TDX, bytes(6), PckCa.PLATFORM)
    with watching() as seen:
        for part in [canary.text for canary in endpoint.canaries]:
            async with echoing(form, body, [part]) as port:
                url = endpoint.url(f"127.0.0.1:{port}", query=False)
                with pytest.raises(OracleError) as caught:
                    await Service(url, TIMEOUT_S).fetch(platform, lambda *_: ())
                seen.errors.append(caught.value)
    assert_silent(seen, endpoint.canaries)


async def test_a_service_for_collateral_that_is_not_there_is_named_without_its_secrets() -> None:
    endpoint = Endpoint.fresh()
    platform = Platform(TeeKind.TDX, bytes(6), PckCa.PLATFORM)
    with watching() as seen:
        for url in (
            endpoint.url("127.0.0.1:1", query=False),
            endpoint.url("no-such-host.invalid", scheme="https", query=False),
        ):
            with pytest.raises(
                CollateralUnavailable, match=r"^https?://[a-z0-9.:-]+/\*\*\*/sgx/"
            ) as e:
                await Service(url, TIMEOUT_S).fetch(platform, lambda *_: ())
            seen.errors.append(e.value)
    assert_silent(seen, endpoint.canaries)


# --- commands ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Home:
    """An operator's folder with a secret in each place that the configuration has for one."""

    folder: Path
    rpc: Endpoint
    collateral: Endpoint
    gas_key: Canary
    password: Canary

    @classmethod
    def make(cls, folder: Path) -> "Home":
        home = cls(
            folder,
            Endpoint.fresh(),
            Endpoint.fresh(),
            Canary("gas key", bytes(Account.create().key)),
            text_canary("password of the gas key", prefix='"\\ '),
        )
        # The light form of the same function: the test unlocks it dozens of times.
        locked = Account.encrypt(
            home.gas_key.secret, home.password.text, kdf="pbkdf2", iterations=1
        )
        home.write("keystore.json", json.dumps(locked))
        home.write("password", home.password.text + "\n")
        home.write("oracle.toml", home.configuration())
        return home

    @property
    def canaries(self) -> tuple[Canary, ...]:
        return (*self.rpc.canaries, *self.collateral.canaries, self.gas_key, self.password)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def configuration(self) -> str:
        return f"""\
[chain]
network = "anvil"
rpc_urls = ["{self.rpc.url("127.0.0.1:1")}"]
registry = "{ADDRESS}"
signer_set = "{ADDRESS}"
hub = "{ADDRESS}"
rpc_timeout_s = 0.2

[keys]
keystore = "keystore.json"
password_file = "password"

[enclave]
silicon = "silicon.sock"
python = "/does/not/exist"

[feeds]
catalogue = ["usdt-usd"]

[collateral]
source = "{self.collateral.url("127.0.0.1:1", query=False)}"

[store]
path = "oracle.db"

[log]
level = "debug"
"""


def _wrote(home: Home, name: str, content: str, text: str) -> str:
    home.write(name, content)
    return text


def _spoiled_password(home: Home, text: str) -> str:
    (home.folder / "password").write_bytes(home.password.secret + b"\xff")
    return text


def _opened(home: Home, text: str) -> str:
    (home.folder / "password").chmod(0o644)
    return text


#: Each makes a fault of what an operator wrote; given the folder and its configuration.
SPOILED: dict[str, Callable[[Home, str], str]] = {
    "nothing": lambda home, text: text,
    "a URL that is a list": lambda home, text: text.replace('rpc_urls = ["', 'rpc_urls = [["', 1),
    "a URL without a list": lambda home, text: re.sub(
        r"rpc_urls = \[(.*)\]", r"rpc_urls = \1", text
    ),
    "a scheme of another kind": lambda home, text: text.replace("http://", "ftp://"),
    "no scheme": lambda home, text: text.replace("http://", ""),
    "a port that is none": lambda home, text: text.replace("127.0.0.1:1", "127.0.0.1:x"),
    "a port beyond all": lambda home, text: text.replace("127.0.0.1:1", "127.0.0.1:99999"),
    "a password with a slash": lambda home, text: text.replace("%2F", "/"),
    "a password with a bracket": lambda home, text: text.replace("%2F", "["),
    "a password with a number sign": lambda home, text: text.replace("%2F", "#"),
    "a password with a question mark": lambda home, text: text.replace("%2F", "?"),
    "the token as a port": lambda home, text: text.replace("127.0.0.1:1/v2/", "127.0.0.1:"),
    "an unknown key": lambda home, text: text.replace("rpc_urls", "rpc_url"),
    "two of a key": lambda home, text: text.replace("registry", 'network = "anvil"\nregistry', 1),
    "an open quote": lambda home, text: text.replace('"]', "]", 1),
    "a control character": lambda home, text: text.replace("/v2/", "/v2/\x01"),
    "the password in the file": lambda home, text: text.replace(
        'password_file = "password"', f"password = {json.dumps(home.password.text)}"
    ),
    "the key in the file": lambda home, text: text.replace(
        'keystore = "keystore.json"', f'key = "0x{home.gas_key.secret.hex()}"'
    ),
    "another password": lambda home, text: _wrote(home, "password", "another", text),
    "no password": lambda home, text: _wrote(home, "password", "", text),
    "a password that is no text": _spoiled_password,
    "a keystore that is the key": lambda home, text: _wrote(
        home, "keystore.json", home.gas_key.secret.hex(), text
    ),
    "a keystore that is the key as JSON": lambda home, text: _wrote(
        home, "keystore.json", json.dumps({"privateKey": home.gas_key.secret.hex()}), text
    ),
    "a keystore that is the password": lambda home, text: _wrote(
        home, "keystore.json", home.password.text, text
    ),
    "files that others can read": _opened,
}
COMMANDS = (
    ("validate",),
    ("validate", "--output", "json"),
    ("status",),
    ("status", "--output", "json"),
    ("doctor",),
    ("doctor", "--output", "json"),
    ("run",),
    ("registry", "list"),
    ("collateral", "status", "--platform", "tdx:b0c06f000000:platform"),
    ("collateral", "update", "--platform", "tdx:b0c06f000000:platform"),
)


@pytest.mark.parametrize("spoiled", SPOILED)
def test_no_command_shows_a_secret_whatever_is_wrong_with_the_configuration(
    tmp_path: Path, spoiled: str
) -> None:
    home = Home.make(tmp_path)
    path = home.write("oracle.toml", SPOILED[spoiled](home, home.configuration()))
    with watching() as seen:
        for command in COMMANDS:
            if spoiled == "nothing" and command == ("run",):
                continue  # It would run: `test_canary_node.py` does that.
            words = [*command, "-c", str(path)]
            result = CliRunner().invoke(build_app(words[0]), words)
            seen.texts.append(result.output)
            if not isinstance(result.exception, SystemExit | None):
                seen.errors.append(result.exception)
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    legitimate = {"oracle.toml", "keystore.json", "password"}
    seen.texts += [file.read_text("latin-1") for file in written if file.name not in legitimate]
    assert seen.errors == []
    assert len("".join(seen.texts)) > 200
    assert_silent(seen, home.canaries)


def test_the_libraries_say_nothing_at_the_loudest_level() -> None:
    """Their own debug lines hold whole URLs; see `configure_logging`."""
    with watching():
        assert not logging.getLogger("aiohttp.client").isEnabledFor(logging.INFO)
        assert not logging.getLogger("asyncio").isEnabledFor(logging.INFO)
    assert sys.excepthook is sys.__excepthook__
