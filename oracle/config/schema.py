"""The schema of the configuration: sections, keys, units, defaults, bounds."""

import re
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from enclave.domain.errors import SourceMalformed
from enclave.domain.fixed_point import FixedPoint, Rounding
from enclave.domain.report import keccak256

GWEI = 10**9
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_NAME = r"^[a-z0-9][a-z0-9-]{0,31}$"


def checksum_address(text: str) -> str:
    """The EIP-55 spelling of an address.

    Raises:
        ValueError: Not an address, or mixed case that fails the checksum.
    """
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"{text!r} is not an address of 0x and 40 hexadecimal digits")
    lower = text[2:].lower()
    digest = keccak256(lower.encode()).hex()
    pairs = zip(lower, digest, strict=False)
    right = "0x" + "".join(c.upper() if int(d, 16) >= 8 else c for c, d in pairs)
    if text[2:] not in (lower, lower.upper(), right[2:]):
        raise ValueError(f"{text} fails the EIP-55 checksum; a digit or a case is wrong")
    return right


def _wei(value: object) -> int:
    """Gwei of a unit of gas as written, to wei, exactly."""
    return _amount(value, 10**6)


def _funds(value: object) -> int:
    """Gwei of an account as written, to wei, exactly."""
    return _amount(value, 10**15)


def _amount(value: object, most_gwei: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError("wanted a number of gwei")
    try:
        wei = FixedPoint.parse(str(value), exponent=9).rescale(0, Rounding.EXACT).units
    except SourceMalformed as error:
        raise ValueError(f"{value} gwei, wanted a number with at most 9 decimals") from error
    if not 0 <= wei <= most_gwei * GWEI:
        raise ValueError(f"{value} gwei, wanted 0..{most_gwei}")
    return wei


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("wanted a number of seconds")
    return float(value)


def _path(value: object) -> object:
    return Path(value) if isinstance(value, str) and value else value


def split_url(text: str) -> SplitResult:
    """The parts of a URL, whose port is a number if it has one.

    Raises:
        ValueError: It is none, or a name or password in it ends where it should not. The library's
            own words hold parts of it, which may be a secret.
    """
    with suppress(ValueError):
        parts = urlsplit(text)
        if parts.port != 0 and ("@" in parts.netloc or "@" not in text):
            return parts
    raise ValueError("not a URL: write / ? # @ [ ] in a name or a password as %2F and so on")


def _rpc_url(text: str) -> str:
    parts = split_url(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("wanted an URL that begins with http:// or https://")
    return text


def _peer_url(text: str) -> str:
    parts = split_url(text)
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise ValueError("wanted https://HOST:PORT")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("wanted https://HOST:PORT without a path")
    return f"https://{parts.netloc}"


def parse_source(text: str) -> str | Path:
    """A service's URL, or the path of a folder.

    Raises:
        ValueError: A URL of another kind.
    """
    if "://" not in text:
        return Path(text)
    parts = split_url(text)
    is_local = parts.scheme == "http" and parts.hostname == "127.0.0.1"
    if not (is_local or (parts.scheme == "https" and parts.hostname)) or parts.query:
        raise ValueError("wanted https://…, http://127.0.0.1:PORT or a folder")
    return text


def _source(value: object) -> object:
    if not isinstance(value, str) or not value:
        raise ValueError("wanted https://…, http://127.0.0.1:PORT or a folder")
    return parse_source(value)


def _listen(text: str) -> str:
    host, port = split_listen(text)
    if not host or not 0 <= port <= 65_535:
        raise ValueError("wanted HOST:PORT, such as 0.0.0.0:8443 or [::]:8443")
    return text


def split_listen(text: str) -> tuple[str, int]:
    """Host without brackets and port of `HOST:PORT`; an empty host and -1 for anything else."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    is_port = port.isascii() and port.isdigit() and len(port) <= 5
    return (host, int(port)) if host and is_port else ("", -1)


Address = Annotated[str, AfterValidator(checksum_address)]
Wei = Annotated[int, BeforeValidator(_wei)]
Funds = Annotated[int, BeforeValidator(_funds)]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=86_400)]
LongSeconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=30 * 86_400)]
FilePath = Annotated[Path, BeforeValidator(_path)]
UrlOrFolder = Annotated[str | Path, BeforeValidator(_source)]
RpcUrl = Annotated[str, AfterValidator(_rpc_url)]
PeerUrl = Annotated[str, AfterValidator(_peer_url)]
Listen = Annotated[str, AfterValidator(_listen)]
Strategies = Annotated[
    tuple[Literal["fee_history", "gas_price", "constant"], ...],
    BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v),
    Field(min_length=1, max_length=3),
]
Strings = Annotated[
    tuple[str, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)
]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class ChainConfig(_Section):
    """Where reports go.

    Attributes:
        name: What commands, logs and metrics call the chain; the network's unless given.
        network: Name of a file in `oracle/chain/networks/`: defaults of this section and `gas`.
        rpc_urls: JSON-RPC endpoints by preference; may hold secrets, so never printed whole.
        chain_id: EIP-155 chain id; every endpoint must answer it.
        registry: `AttestationRegistry`.
        signer_set: `SignerSet`.
        hub: `FeedHub`.
        verifier_id: The registry's number of the verifier for this enclave's evidence.
        block_s: Usual time between blocks; receipts are asked for a few times in it.
        halt_s: A chain that makes no block for so long, and for five blocks' time, is halted.
        confirm_timeout_s: How long to wait for a receipt before the fee is raised.
        rpc_timeout_s: Limit of one call.
        relay_url: A private relay's JSON-RPC endpoint; transactions go there alone until one is
            overdue. May hold secrets, as the others.
        feeds: Those that are reported here: names of the catalogue, or stems of own files; all that
            are served unless given.
    """

    name: Annotated[str, Field(pattern=_NAME)] = "chain"
    network: str
    rpc_urls: Annotated[
        tuple[RpcUrl, ...],
        BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v),
        Field(min_length=1, max_length=8),
    ]
    chain_id: Annotated[int, Field(gt=0, lt=2**63)]
    registry: Address
    signer_set: Address
    hub: Address
    verifier_id: Annotated[int, Field(ge=1, le=65_535)] = 1
    block_s: Seconds = 12.0
    halt_s: Seconds = 60.0
    confirm_timeout_s: Seconds = 60.0
    rpc_timeout_s: Seconds = 10.0
    relay_url: RpcUrl | None = None
    feeds: Annotated[Strings, Field(min_length=1)] | None = None


class KeysConfig(_Section):
    """The key that pays gas and holds the operator's seat; without one the daemon runs dry.

    Attributes:
        keystore: Encrypted Ethereum keystore (version 3), mode 0600.
        password_file: Its password, mode 0600; one trailing newline is ignored.
    """

    keystore: FilePath | None = None
    password_file: FilePath | None = None


class EnclaveConfig(_Section):
    """How the enclave is started.

    Attributes:
        python: Interpreter of `.venv-enclave`; by default beside this process's environment.
        attester: Who makes evidence.
        tee: `sgx` or `tdx`.
        silicon: Socket of the emulated vendor (attester `simulated` only).
        extra_ca: One more CA, PEM (attester `simulated` only).
        sandbox: `auto` uses bubblewrap where it works, `require` insists, `off` does without.
        runtime_dir: For sockets; keep it short, a socket's path has 107 bytes at most.
    """

    python: FilePath | None = None
    attester: Literal["simulated"] = "simulated"
    tee: Literal["sgx", "tdx"] = "tdx"
    silicon: FilePath | None = None
    extra_ca: FilePath | None = None
    sandbox: Literal["auto", "require", "off"] = "auto"
    runtime_dir: FilePath = Path("run")


class FeedsConfig(_Section):
    """Which feeds to serve.

    Attributes:
        catalogue: Names of ready-made definitions; all if neither this nor `files` is given.
        files: Own definitions.
        paused: Names of feeds that are not reported: of the catalogue, or the stem of an own file.
    """

    catalogue: Strings | None = None
    files: Annotated[
        tuple[FilePath, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)
    ] = ()
    paused: Strings = ()


class DaemonConfig(_Section):
    """Pace.

    Attributes:
        poll_s: Time between rounds.
        renew_before_s: How long before its end a registration is renewed.
        restart_max_s: Longest pause between two starts of the enclave.
        report_feeds: Most feeds of one report; the most urgent come first.
        drain_s: How long a report that is on its way may take when the node is told to end.
    """

    poll_s: Seconds = 1.0
    renew_before_s: Seconds = 21_600.0
    restart_max_s: Seconds = 60.0
    report_feeds: Annotated[int, Field(ge=1, le=1_024)] = 256
    drain_s: Annotated[Seconds, Field(le=10)] = 5.0


class CollateralConfig(_Section):
    """What the vendor signs about platforms, and keeping the chain's copy of it fresh.

    Attributes:
        source: A service with the API of Intel's PCS, version 4, or a folder.
        timeout_s: Limit of one answer of the service.
        refresh_s: How often the source is asked.
        renew_before_s: How long before its end a document is replaced by one that says the same.
        warn_before_s: How long before the end of what the chain keeps the node raises the alarm.
    """

    source: UrlOrFolder = "https://api.trustedservices.intel.com"
    timeout_s: Annotated[Seconds, Field(ge=0.1, le=60)] = 10.0
    refresh_s: Annotated[Seconds, Field(ge=1)] = 3_600.0
    renew_before_s: LongSeconds = 10 * 86_400.0
    warn_before_s: LongSeconds = 5 * 86_400.0


class PeerConfig(_Section):
    """Another operator's node.

    Attributes:
        operator: Whose seat it is; how this node knows the peer on-chain.
        url: Where it listens, `https://HOST:PORT`.
        certificate: PEM; the only one that is accepted from and for this peer.
    """

    operator: Address
    url: PeerUrl
    certificate: FilePath


class QuorumConfig(_Section):
    """How nodes of several operators make one report; only for hubs that want m > 1 signatures.

    Attributes:
        listen: Where peers reach this node, `HOST:PORT`.
        certificate: PEM, shown to peers and pinned by them.
        private_key: PEM of its key, mode 0600.
        lead_s: How long one node leads before the next.
        takeover_s: How long a due feed waits for each node before this one in the order.
        timeout_s: Limit of one answer of one peer.
        peers: The other nodes.
    """

    listen: Listen
    certificate: FilePath
    private_key: FilePath
    lead_s: Annotated[Seconds, Field(ge=1)] = 15.0
    takeover_s: Annotated[Seconds, Field(ge=0.5)] = 5.0
    timeout_s: Annotated[Seconds, Field(ge=0.1, le=10)] = 2.0
    peers: Annotated[
        tuple[PeerConfig, ...],
        BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v),
        Field(min_length=1, max_length=31),
    ]


class HttpConfig(_Section):
    """`/live`, `/ready`, `/metrics`; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 9_464


class GasConfig(_Section):
    """Bounds of what is paid, in gwei in the file, in wei here.

    Attributes:
        max_fee_wei: Highest fee for a unit of gas; never exceeded, not even by a replacement.
        max_priority_fee_wei: Highest tip of a first attempt.
        bump_percent: Raise of a replacement; nodes want at least 10.
        low_balance_wei: Below it the node warns.
        strategies: Where the price is taken from, in this order.
        constant_price_wei: What `constant` pays on a chain without a base fee.
        daily_budget_wei: Most that is spent within 24 hours; `None` is no bound.
    """

    max_fee_wei: Annotated[Wei, Field(alias="max_fee_gwei")] = 100 * GWEI
    max_priority_fee_wei: Annotated[Wei, Field(alias="max_priority_fee_gwei")] = GWEI
    bump_percent: Annotated[int, Field(ge=13, le=100)] = 20
    low_balance_wei: Annotated[Funds, Field(alias="low_balance_gwei")] = 10_000_000 * GWEI
    strategies: Strategies = ("fee_history", "gas_price", "constant")
    constant_price_wei: Annotated[Wei | None, Field(alias="constant_price_gwei")] = None
    daily_budget_wei: Annotated[Funds | None, Field(alias="daily_budget_gwei")] = None


class StoreConfig(_Section):
    """The journal."""

    path: FilePath = Path("oracle.db")


class LogConfig(_Section):
    """Logs go to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    style: Literal["auto", "json", "text"] = "auto"


class Config(_Section):
    """Everything an operator sets for one chain; all paths are absolute.

    Those of a node with several chains differ in `chain`, `keys`, `gas` and `quorum` alone.
    """

    chain: ChainConfig
    keys: KeysConfig = KeysConfig()
    enclave: EnclaveConfig = EnclaveConfig()
    feeds: FeedsConfig = FeedsConfig()
    daemon: DaemonConfig = DaemonConfig()
    collateral: CollateralConfig = CollateralConfig()
    quorum: QuorumConfig | None = None
    http: HttpConfig = HttpConfig()
    gas: GasConfig = GasConfig()
    store: StoreConfig = StoreConfig()
    log: LogConfig = LogConfig()
