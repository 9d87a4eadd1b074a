"""Hostile environments, folders and arguments against the enclave: it behaves as without them."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from enclave.domain.wire import LENGTH_BYTES, Attest, decode_body, encode_frame, frame_length
from oracle.devnet.price_sources import PriceSources
from oracle.egress_proxy import EgressProxy
from oracle.enclave_link import EnclaveClient
from oracle.enclave_process import default_enclave_python
from oracle.feeds.catalogue import Feed, load_catalogue, select
from oracle.feeds.endpoints import targets

pytestmark = pytest.mark.faults

_PYTHON = default_enclave_python()
_LITERAL = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "CONFIDENTIAL_ORACLE_ENVIRONMENT": "literal"}
_MODULES = (
    *("enclave/__init__", "encodings/__init__", "sitecustomize", "usercustomize"),
    *("json", "ssl", "asyncio", "socket", "hashlib", "aiohttp", "coincurve"),
)
_START_S = 40.0
_AT_ONCE = 3
#: Of the C library, and nothing that the enclave loads: whoever maps it was told to.
_FOREIGN = ("libBrokenLocale.so.1", "libanl.so.1", "libthread_db.so.1")


def _foreign_library() -> str:
    folders = (f"/lib/{os.uname().machine}-linux-gnu", "/lib64", "/usr/lib64", "/usr/lib")
    paths = [Path(folder) / name for folder in folders for name in _FOREIGN]
    return str(next(filter(Path.exists, paths), "/does/not/exist.so"))


@dataclass(frozen=True)
class Trap:
    """A folder full of files that would take a process over, and say so."""

    folder: Path

    @property
    def report(self) -> Path:
        """Where whatever was taken over writes its name."""
        return self.folder / "taken-over"

    @property
    def key_log(self) -> Path:
        return self.folder / "keys.log"

    @classmethod
    def make(cls, folder: Path) -> "Trap":
        trap = cls(folder)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        user = folder / ".local" / "lib" / version / "site-packages"
        for place in (folder, user):
            (place / "enclave").mkdir(parents=True)
            (place / "encodings").mkdir()
            for name in (
                "enclave/__init__",
                "encodings/__init__",
                "sitecustomize",
                "usercustomize",
            ):
                trap._plant(place / f"{name}.py")
            for name in ("json", "ssl", "asyncio", "socket", "hashlib", "aiohttp", "coincurve"):
                trap._plant(place / f"{name}.py")
            (place / "taken.pth").write_text(
                f"import sys; open({str(trap.report)!r}, 'a').write('pth')\n"
            )
            (place / "pyvenv.cfg").write_text(
                f"home = {folder}\ninclude-system-site-packages = true\n"
            )
        (folder / ".netrc").write_text("machine api.kraken.com login taken password over\n")
        (folder / "openssl.cnf").write_text(
            "openssl_conf = first\n[first]\nssl_conf = tls\n[tls]\nsystem_default = weak\n[weak]\n"
            "MinProtocol = TLSv1\nMaxProtocol = TLSv1.1\nCipherString = NULL\n"
        )
        (folder / "hosts").write_text("api.kraken.com localhost\n")
        (folder / "none.pem").write_text("")
        return trap

    def _plant(self, path: Path) -> None:
        # Works in an interpreter that has nothing yet: `encodings` is what it loads first.
        path.write_text(
            "import posix\n"
            f"file = posix.open({str(self.report)!r}, posix.O_WRONLY | posix.O_CREAT, 0o600)\n"
            f"posix.write(file, {path.name.encode()!r})\n"
        )

    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}


#: Variable -> value; `{}` is the folder, `[]` a library, `<>` the address of a proxy.
VARIABLES: dict[str, str] = {
    "LD_PRELOAD": "[]",
    "LD_PRELOAD=missing": "/does/not/exist.so",
    "LD_LIBRARY_PATH": "{}",
    "LD_AUDIT": "[]",
    "LD_BIND_NOW": "1",
    "LD_SHOW_AUXV": "1",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=165",
    "MALLOC_PERTURB_": "165",
    "MALLOC_CHECK_": "3",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRACE": "{}/malloc.trace",
    "PYTHONPATH": "{}",
    "PYTHONHOME": "{}",
    "PYTHONSTARTUP": "{}/json.py",
    "PYTHONUSERBASE": "{}/.local",
    "PYTHONPYCACHEPREFIX": "{}/cache",
    "PYTHONEXECUTABLE": "{}/python",
    "PYTHONPLATLIBDIR": "{}",
    "PYTHONINSPECT": "1",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "0",
    "PYTHONIOENCODING": "utf-16",
    "PYTHONLEGACYWINDOWSSTDIO": "1",
    "PYTHONMALLOC": "debug",
    "PYTHONMALLOCSTATS": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONFAULTHANDLER": "1",
    "PYTHONTRACEMALLOC": "25",
    "PYTHONVERBOSE": "1",
    "PYTHONPROFILEIMPORTTIME": "1",
    "PYTHONBREAKPOINT": "json.loads",
    "PYTHONINTMAXSTRDIGITS": "640",
    "SSLKEYLOGFILE": "{}/keys.log",
    "SSL_CERT_FILE": "{}/none.pem",
    "SSL_CERT_DIR": "{}",
    "OPENSSL_CONF": "{}/openssl.cnf",
    "OPENSSL_MODULES": "{}",
    "OPENSSL_ENGINES": "{}",
    "OPENSSL_ia32cap": "0",
    "HTTP_PROXY": "<>",
    "HTTPS_PROXY": "<>",
    "ALL_PROXY": "<>",
    "NO_PROXY": "",
    "WSS_PROXY": "<>",
    "REQUESTS_CA_BUNDLE": "{}/none.pem",
    "CURL_CA_BUNDLE": "{}/none.pem",
    "NETRC": "{}/.netrc",
    "HOME": "{}",
    "PATH": "{}",
    "TMPDIR": "{}",
    "HOSTALIASES": "{}/hosts",
    "RES_OPTIONS": "debug",
    "AIOHTTP_NO_EXTENSIONS": "1",
    "COVERAGE_PROCESS_START": "{}/coverage.ini",
    "LC_ALL": "tr_TR.UTF-8",
    "TZ": "Pacific/Kiritimati",
}
#: Taken by the interpreter before its first instruction, even under `-I`: it looks for its packages
#: elsewhere, finds none and ends. Where it goes on, it must behave as ever.
MAY_END = frozenset({"PYTHONEXECUTABLE"})
#: Searched nightly only: near relatives of others, and those that never meant anything here.
NIGHTLY = frozenset(
    {
        *("LD_BIND_NOW", "LD_SHOW_AUXV", "MALLOC_CHECK_", "MALLOC_ARENA_MAX", "PYTHONUSERBASE"),
        *("PYTHONLEGACYWINDOWSSTDIO", "PYTHONMALLOCSTATS", "PYTHONASYNCIODEBUG", "PYTHONVERBOSE"),
        *("PYTHONFAULTHANDLER", "PYTHONPROFILEIMPORTTIME", "PYTHONBREAKPOINT", "PYTHONUTF8"),
        *("OPENSSL_ENGINES", "SSL_CERT_DIR", "NO_PROXY", "WSS_PROXY", "CURL_CA_BUNDLE", "PATH"),
        *("RES_OPTIONS", "COVERAGE_PROCESS_START", "PYTHONPLATLIBDIR", "PYTHONTRACEMALLOC"),
        *("MALLOC_TRACE", "TMPDIR", "LD_AUDIT"),
    }
)
#: What the interpreter is told before it is told whom to run.
INTERPRETER: tuple[tuple[str, ...], ...] = (
    ("-X", "pycache_prefix={}/cache"),
    ("-X", "importtime"),
    ("-X", "dev"),
    ("-W", "error"),
    ("-OO",),
    ("-i",),
)
#: Arguments after the good ones that must be refused with status 2.
REFUSED: tuple[tuple[str, ...], ...] = (
    ("--extra", "/x.pem"),
    ("--att", "simulated"),
    ("--debug",),
    ("@{}/arguments",),
    ("--", "--debug"),
    ("--attester", "Simulated"),
    ("--attester", "simulated "),
    ("--attester", ""),
    ("--tee", "TDX"),
    ("--tee=",),
    ("--listen", "tcp:127.0.0.1:1"),
    ("--relay", "tcp:127.0.0.1:1"),
    ("--relay", "<>"),
    ("--extra-ca", "{}"),
    ("--extra-ca", "/dev/zero"),
    ("--extra-ca", "{}/openssl.cnf"),
    ("-c", "import os"),
    ("-m", "json.tool"),
)


@dataclass
class Vendor:
    """Says nothing but notes what measurement it was asked to put into evidence."""

    measurements: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = frame_length(await reader.readexactly(LENGTH_BYTES))
        asked = decode_body(await reader.readexactly(size))
        self.measurements.append(asked["measurement"])
        writer.write(encode_frame({"quote": b"quote of " + asked["report_data"]}))
        await writer.drain()
        writer.close()


@dataclass(frozen=True)
class Ground:
    """What all starts stand on: sources behind a relay, and a proxy that nobody may ask."""

    folder: Path
    extra_ca: Path
    feeds: tuple[Feed, ...]
    vendor: Vendor
    proxied: list[str]
    proxy: str


@asynccontextmanager
async def _ground(folder: Path, sources: PriceSources) -> AsyncIterator[Ground]:
    feeds = select(load_catalogue(), ["usdt-usd"])
    resolve = {f"{host}:443": ("127.0.0.1", port) for host, port in sources.ports.items()}
    allow = targets(feed.definition for feed in feeds)
    vendor, proxied = Vendor(), []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxied.append("asked")
        writer.close()

    proxy = await asyncio.start_server(note, "127.0.0.1", 0)
    silicon = await asyncio.start_unix_server(vendor.serve, folder / "s.sock")
    async with proxy, silicon, EgressProxy(folder / "r.sock", allow, resolve):
        url = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        yield Ground(folder, sources.ca, feeds, vendor, proxied, url)


@dataclass(frozen=True)
class Behaviour:
    """What can be seen of one life of the enclave; two are equal if they behave alike.

    Attributes:
        hello: What it says of itself, without the keys that differ with each start.
        measurement: What it has attested.
        answered: Feeds with an answer, and how many sources each used.
        events: Of its log, in order, with their levels.
        command: How the process that speaks was started.
        environment: Of that process; empty where only root may look.
        mapped: Files in its memory.
        status: Of its end.
    """

    hello: tuple[Any, ...]
    measurement: bytes
    answered: tuple[tuple[bytes, int], ...]
    events: tuple[tuple[str, str], ...]
    command: tuple[str, ...]
    environment: frozenset[str]
    mapped: frozenset[str]
    status: int


def _command(ground: Ground, place: Path, interpreter: Sequence[str]) -> list[str]:
    command = [str(_PYTHON), "-I", "-B", *interpreter, "-m", "enclave"]
    command += ["--listen", f"unix:{place}/e.sock", "--relay", f"unix:{ground.folder}/r.sock"]
    command += ["--attester", "simulated", "--tee", "tdx", "--silicon", f"{ground.folder}/s.sock"]
    return [*command, "--extra-ca", str(ground.extra_ca)]


@asynccontextmanager
async def _started(
    command: Sequence[str], trap: Trap, environment: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=trap.folder,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        # Both pipes are read to their end, so that nothing of the process is left open.
        await process.communicate()


async def _listening(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """The line that says so; what a first process, which is replaced, may print comes before."""
    assert process.stdout is not None
    async with asyncio.timeout(_START_S):
        while line := await process.stdout.readline():
            with contextlib.suppress(ValueError):
                return dict(json.loads(line))
    assert process.stderr is not None
    raise NotStarted((await process.stderr.read()).decode())


class NotStarted(AssertionError):
    """The enclave ended before it listened."""


async def _behaviour(
    ground: Ground, trap: Trap, place: Path, environment: Mapping[str, str], *interpreter: str
) -> Behaviour:
    command = _command(ground, place, interpreter)
    async with _started(command, trap, environment) as process:
        said = await _listening(process)
        client = await EnclaveClient.connect(f"unix:{place}/e.sock")
        hello = await client.hello()
        assert said["signer"] == "0x" + hello.signer.hex()
        before = len(ground.vendor.measurements)
        evidence = await client.attest(Attest(31337, b"\1" * 20, b"\2" * 20, 1, b"\3" * 32))
        assert evidence.evidence == b"quote of " + evidence.report_data
        assert len(ground.vendor.measurements) > before
        feed_ids = await client.load([feed.canonical for feed in ground.feeds])
        made = await client.run_round(feed_ids)
        kernel = Path(f"/proc/{process.pid}")
        seen = kernel.joinpath("cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
        inherited, mapped = _looked_into(kernel)
        await client.shutdown()
        await client.close()
        assert process.stderr is not None
        log = (await process.stderr.read()).decode(errors="replace").splitlines()
        status = await process.wait()
    return Behaviour(
        hello=(hello.version, hello.tee, hello.attester, hello.ca_sha256, hello.adapters),
        measurement=evidence_measurement(ground, before),
        answered=tuple((answer.feed_id, answer.sources_used) for answer in made.answers),
        events=tuple((line["level"], line["event"]) for line in _json_lines(log)),
        command=tuple(seen[:6]),
        environment=inherited,
        mapped=mapped,
        status=status,
    )


def evidence_measurement(ground: Ground, number: int) -> bytes:
    """Starts run side by side; all of them must ask for one measurement."""
    (measurement,) = set(ground.vendor.measurements[number:])
    return measurement


def _looked_into(kernel: Path) -> tuple[frozenset[str], frozenset[str]]:
    try:
        environment = (kernel / "environ").read_bytes().rstrip(b"\0").decode().split("\0")
        maps = (kernel / "maps").read_text().splitlines()
    except PermissionError:
        return frozenset(), frozenset()
    fields = [line.split(maxsplit=5) for line in maps]
    return frozenset(environment), frozenset(f[5] for f in fields if len(f) > 5 and "/" in f[5])


def _json_lines(lines: Sequence[str]) -> list[dict[str, Any]]:
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


async def _all(cases: Mapping[str, Any], run: Any) -> dict[str, Any]:
    """Run every case, a few at once."""
    found: dict[str, Any] = {}
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> None:
        async with free:
            try:
                async with asyncio.timeout(_START_S):
                    found[name] = await run(name)
            except TimeoutError as error:
                raise AssertionError(f"{name}: no end within {_START_S:g} s") from error

    async with asyncio.TaskGroup() as tasks:
        for name in cases:
            tasks.create_task(one(name))
    return found


Case = tuple[Mapping[str, str], Sequence[str]]


def _cases() -> dict[str, Case]:
    """Name -> variables, and options of the interpreter."""
    is_nightly = settings.get_current_profile_name() == "nightly"
    wanted = {name for name in VARIABLES if is_nightly or name not in NIGHTLY}
    cases: dict[str, Case] = {
        name: ({name.partition("=")[0]: VARIABLES[name]}, ())
        for name in VARIABLES
        if name in wanted
    }
    cases |= {" ".join(options): ({}, options) for options in INTERPRETER}
    harmless = {name for name in VARIABLES if "=" not in name} - MAY_END
    return cases | {"all at once": ({name: VARIABLES[name] for name in harmless}, ())}


@dataclass
class Starts:
    """Starts the enclave in traps and remembers them."""

    ground: Ground
    library: str
    traps: dict[str, tuple[Trap, set[str]]] = field(default_factory=dict)

    async def run(self, name: str, case: Case) -> Behaviour | None:
        """How it behaves; `None` if it did not start where it need not."""
        place = self.ground.folder / str(len(self.traps))
        place.mkdir()
        trap = Trap.make(place / "t")
        self.traps[name] = (trap, trap.files())

        def filled(text: str) -> str:
            text = text.replace("{}", str(trap.folder)).replace("[]", self.library)
            return text.replace("<>", self.ground.proxy)

        environment = {key: filled(value) for key, value in case[0].items()}
        try:
            return await _behaviour(self.ground, trap, place, environment, *map(filled, case[1]))
        except NotStarted:
            if name not in MAY_END:
                raise
            return None

    def assert_nothing_was_taken(self) -> None:
        """No connection to the proxy, no key log, nothing written by what was planted."""
        assert self.ground.proxied == []
        for name, (trap, planted) in self.traps.items():
            # The first process may write what the C library was told to; it has no secret yet.
            assert trap.files() - planted <= {"malloc.trace"}, name


def assert_plain(plain: Behaviour | None) -> Behaviour:
    """What it does without any of it is what it is made for."""
    assert plain is not None
    assert plain.status == 0
    assert all(count for _, count in plain.answered)
    assert plain.answered
    if os.geteuid() == 0:
        assert plain.environment == {f"{name}={value}" for name, value in _LITERAL.items()}
        assert plain.mapped
    return plain


@pytest.mark.timeout(300)
async def test_no_hostile_variable_folder_or_option_changes_the_behaviour_of_the_enclave(
    short_tmp: Path, sources: PriceSources
) -> None:
    cases = _cases()
    async with _ground(short_tmp, sources) as ground:
        starts = Starts(ground, _foreign_library())
        plain = assert_plain(await starts.run("nothing", ({}, ())))
        found = await _all(cases, lambda name: starts.run(name, cases[name]))
    ended = [name for name, behaviour in found.items() if behaviour is None]
    changed = {name: seen for name, seen in found.items() if seen not in (plain, None)}
    print(f"\nhostile starts: {len(found)}, changed: {len(changed)}, did not start: {ended}")
    assert changed == {}, plain
    assert len(found) >= 40
    starts.assert_nothing_was_taken()


@pytest.mark.timeout(120)
async def test_every_argument_that_is_none_is_refused_before_anything_listens(
    short_tmp: Path, sources: PriceSources
) -> None:
    async with _ground(short_tmp, sources) as ground:
        trap = Trap.make(short_tmp / "t")
        (trap.folder / "arguments").write_text("--debug\n")

        async def run(name: str) -> tuple[int, bytes]:
            given = [
                word.replace("{}", str(trap.folder)).replace("<>", ground.proxy)
                for word in json.loads(name)
            ]
            place = short_tmp / f"p{REFUSED.index(tuple(json.loads(name)))}"
            place.mkdir()
            async with _started([*_command(ground, place, ()), *given], trap, {}) as process:
                async with asyncio.timeout(_START_S):
                    output, _ = await process.communicate()
                assert not (place / "e.sock").exists()
            assert process.returncode is not None
            return process.returncode, output

        found = await _all({json.dumps(words): None for words in REFUSED}, run)
    assert {name: result for name, result in found.items() if result != (2, b"")} == {}
    assert not trap.report.exists()


@pytest.mark.parametrize(
    ("variables", "program", "is_caught"),
    [
        ({"PYTHONPATH": "{}"}, "pass", lambda trap: trap.report.exists()),
        ({"SSLKEYLOGFILE": "{}/keys.log"}, "import ssl; ssl.create_default_context()", None),
        ({"LD_PRELOAD": "[]"}, "print(open('/proc/self/maps').read())", None),
        ({"PYTHONPYCACHEPREFIX": "{}/cache"}, "import sys; print(sys.pycache_prefix)", None),
    ],
)
def test_the_traps_catch_an_interpreter_that_does_not_guard_itself(
    tmp_path: Path, variables: dict[str, str], program: str, is_caught: Any
) -> None:
    trap, library = Trap.make(tmp_path / "t"), _foreign_library()
    environment = {
        name: value.replace("{}", str(trap.folder)).replace("[]", library)
        for name, value in variables.items()
    }
    done = subprocess.run(
        [str(_PYTHON), "-c", program],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if is_caught is not None:
        assert is_caught(trap), done.stderr
    elif "SSLKEYLOGFILE" in variables:
        assert trap.key_log.exists(), done.stderr
    elif "LD_PRELOAD" in variables and not Path(library).exists():
        pytest.skip("this machine has none of the libraries that nobody loads")
    else:
        (value,) = environment.values()
        assert value in done.stdout
