"""`oracle registry`: what it says of a signer, what it refuses, what it asks before it revokes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from enclave.domain.errors import ChainError, ConfigError
from enclave.domain.report import keccak256
from oracle.chain.base import Block, SignerStatus
from oracle.chain.evm import EvmChain
from oracle.chain.life import LifeCause
from oracle.chain.rpc import Rpc
from oracle.cli import build_app
from oracle.cli.arguments import parse_signer
from oracle.cli.outcome import Output
from oracle.cli.registry import print_revoked
from oracle.cli.registry_view import (
    Dossier,
    Progress,
    lines,
    read_dossiers,
    table,
    tcb_status_name,
    tee_name,
    tier_name,
)
from oracle.config import checksum_address, load_config
from tests.fakes.fake_chain import signer_status
from tests.fakes.registry_events import (
    IMAGE,
    OPERATOR,
    REGISTRY,
    FakeEvents,
    equivocated,
    registered,
)

SIGNER = checksum_address("0x" + "11" * 20)
NOBODY = "0x" + "00" * 20
DAY_S = 86_400
#: Time of block n is START + n.
START = 1_700_000_000
TOML = f"""\
[chain]
network = "anvil"
rpc_urls = ["http://127.0.0.1:1"]
registry = "{REGISTRY}"
signer_set = "{REGISTRY}"
hub = "{REGISTRY}"

[enclave]
silicon = "silicon.sock"
"""


@dataclass
class FakeReads:
    """Plays `EvmChain` for what a dossier needs."""

    status: SignerStatus

    async def head(self) -> Block:
        return await self.block(100)

    async def block(self, number: int) -> Block:
        return Block(number, bytes(32), bytes(32), START + number, 1)

    async def positions(self) -> Mapping[str, int]:
        return {SIGNER: 6}

    async def signer(self, address: bytes) -> SignerStatus:
        return self.status


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "oracle.toml"
    path.write_text(TOML)
    return path


def _status(**changes: Any) -> SignerStatus:
    dates = {"registered_at": START + 5, "expires_at": START + 5 + 7 * DAY_S}
    return signer_status(**{"operator": OPERATOR, "image_id": IMAGE} | dates | changes)


def _revoked() -> SignerStatus:
    return _status(is_valid=False, is_revoked=True, cause=LifeCause.REVOKED)


def _events() -> FakeEvents:
    rpc = FakeEvents()
    rpc.add(5, "SignerRegistered", registered(SIGNER, expires_at=START + 5 + 7 * DAY_S))
    return rpc


async def _dossiers(
    config: Path, rpc: FakeEvents, chain: FakeReads, *, from_block: int = 0
) -> list[Dossier]:
    return await read_dossiers(
        cast(Rpc, rpc), cast(EvmChain, chain), load_config(config), from_block=from_block
    )


async def _view(config: Path, rpc: FakeEvents, chain: FakeReads) -> dict[str, Any]:
    (dossier,) = await _dossiers(config, rpc, chain)
    return dossier.view()


async def test_a_valid_signer_has_seat_evidence_and_days_left(config: Path) -> None:
    view = await _view(config, _events(), FakeReads(_status()))
    assert (view["state"], view["position"]) == ("valid", 6)
    assert (view["tee"], view["tier"], view["operator"]) == ("TDX", "DEV", OPERATOR)
    assert (view["registered_at"], view["first_block"]) == (START + 5, 5)
    assert (view["days_left"], view["limited_by"]) == (7.0, "policy age")
    assert view["evidence_keccak"] == "0x" + keccak256(b"evidence").hex()
    assert view["evidence_bytes"] == len(b"evidence")


async def test_what_the_registry_says_ends_it_is_the_limit(config: Path) -> None:
    chain = FakeReads(_status(cause=LifeCause.RECOVERY))
    view = await _view(config, _events(), chain)
    assert view["limited_by"] == "TCB recovery"
    assert (view["tcb_status"], view["evaluation_number"]) == ("UP_TO_DATE", 17)


async def test_a_suspended_signer_says_by_whom_and_why(config: Path) -> None:
    rpc = _events()
    chain = FakeReads(_status(is_valid=False, cause=LifeCause.APPRAISAL))
    view = await _view(config, rpc, chain)
    assert view["state"] == "suspended"
    assert view["cause"] == "suspended at 2023-11-21T22:13:25Z; the event was not found"
    refusal = keccak256(b"ImagePolicy_StatusNotAccepted(uint8,uint16)")[:4] + bytes(64)
    rpc.add(6, "SignerSuspended", {"signer": SIGNER, "by": OPERATOR, "refusal": refusal})
    view = await _view(config, rpc, chain)
    assert view["cause"].startswith(
        f"suspended by {OPERATOR} in block 6: ImagePolicy_StatusNotAccepted(seen 0"
    )


async def test_an_expired_signer_says_when_and_by_what_and_has_no_days(config: Path) -> None:
    chain = FakeReads(_status(is_valid=False))
    view = await _view(config, _events(), chain)
    assert (view["state"], view["days_left"]) == ("expired", 0)
    assert view["cause"] == "ended at 2023-11-21T22:13:25Z by policy age"


async def test_a_withdrawn_image_is_named(config: Path) -> None:
    chain = FakeReads(_status(is_valid=False, cause=LifeCause.WITHDRAWN))
    view = await _view(config, _events(), chain)
    assert view["state"] == "image withdrawn"
    assert view["cause"] == f"image 0x{IMAGE.hex()} was withdrawn"


async def test_a_revocation_names_who_sent_it(config: Path) -> None:
    rpc, chain = (
        _events(),
        FakeReads(_status(is_valid=False, is_revoked=True, cause=LifeCause.REVOKED)),
    )
    assert (await _view(config, rpc, chain))["cause"] == "revoked; the event was not found"
    rpc.add(6, "SignerRevoked", {"signer": SIGNER, "by": OPERATOR})
    view = await _view(config, rpc, chain)
    assert (view["state"], view["revoked_by"], view["revoked_block"]) == ("revoked", OPERATOR, 6)
    assert view["cause"] == f"revoked by {OPERATOR} in block 6"


async def test_a_conviction_names_feed_and_moment(config: Path) -> None:
    rpc, chain = (
        _events(),
        FakeReads(_status(is_valid=False, is_revoked=True, cause=LifeCause.REVOKED)),
    )
    rpc.add(6, "SignerEquivocated", equivocated(SIGNER))
    rpc.add(6, "SignerRevoked", {"signer": SIGNER, "by": OPERATOR})
    cause = (await _view(config, rpc, chain))["cause"]
    assert "two entries for feed 3" in cause
    assert "2023-11-14T22:13:20Z" in cause


async def test_endpoints_at_different_heights_are_noticed(config: Path) -> None:
    chain = FakeReads(_status(operator=NOBODY))
    with pytest.raises(ChainError, match="endpoints are at different heights"):
        await _dossiers(config, _events(), chain)


async def test_a_first_block_ahead_of_the_chain_is_refused(config: Path) -> None:
    with pytest.raises(ConfigError, match="--from-block is 101, wanted at most 100"):
        await _dossiers(config, _events(), FakeReads(_status()), from_block=101)


async def test_the_table_has_a_row_for_each_signer_below_its_head(config: Path) -> None:
    view = await _view(config, _events(), FakeReads(_status()))
    head, row, unseated = table([view, view | {"position": None}])
    assert head.split()[:3] == ["SIGNER", "STATE", "SEAT"]
    assert row.split()[:5] == [SIGNER, "valid", "6", "TDX", "DEV"]
    assert unseated.split()[2] == "-"


async def test_a_signer_in_lines_leaves_out_what_is_not(config: Path) -> None:
    view = await _view(config, _events(), FakeReads(_status()))
    text = "\n".join(lines(view))
    assert "expires at       2023-11-21T22:13:25Z" in text
    assert "revoked by" not in text


def test_numbers_that_this_version_does_not_know_are_shown_bare() -> None:
    assert (tee_name(1), tee_name(15)) == ("SGX", "15")
    assert (tier_name(1), tier_name(7)) == ("DIRECT", "7")
    assert (tcb_status_name(5), tcb_status_name(99)) == ("OUT_OF_DATE", "99")


def test_progress_is_silent_for_a_second_and_between_two_lines() -> None:
    now, said = [0.0], list[str]()
    progress = Progress(clock=lambda: now[0], say=said.append)
    for moment, line in ((0.9, "a"), (1.0, "b"), (1.9, "c"), (2.0, "d")):
        now[0] = moment
        progress.note(line)
    assert said == ["b", "d"]


@pytest.mark.parametrize("text", ["", "0x12", "11" * 20, SIGNER + "00", "oracle.toml"])
def test_what_is_no_address_is_named_with_what_is_wanted(text: str) -> None:
    with pytest.raises(ConfigError, match=r"SIGNER: .*wanted 0x and 40 digits") as raised:
        parse_signer(text)
    assert repr(text) in str(raised.value)


def test_an_address_that_fails_its_checksum_is_refused() -> None:
    right = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
    assert parse_signer(right.lower()) == right
    with pytest.raises(ConfigError, match="fails the EIP-55 checksum"):
        parse_signer(right.replace("Fb", "fB"))


def _call(*words: str | Path) -> Any:
    arguments = [str(word) for word in words]
    return CliRunner().invoke(build_app(arguments[0]), arguments)


@pytest.mark.parametrize("command", ["show", "revoke", "recheck"])
def test_a_bad_address_ends_with_2_and_one_line(config: Path, command: str) -> None:
    result = _call("registry", command, "0x12", "-c", config)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: SIGNER: '0x12' is not an address")


def test_revoking_without_a_key_ends_with_2(config: Path) -> None:
    result = _call("registry", "revoke", SIGNER, "--yes", "-c", config)
    assert result.exit_code == 2
    assert "keys.keystore is not set" in result.stderr


@pytest.mark.parametrize(
    ("stopped", "said"), [(True, "until it is rebuilt"), (False, "no hub was stopped")]
)
def test_whether_hubs_were_stopped_is_said(
    stopped: bool, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    view = {"signer": SIGNER, "sent": True, "block": 7, "transaction": "0x01", "gas_used": 9}
    print_revoked(view | {"hubs_stopped": stopped}, Output.TEXT)
    out = capsys.readouterr().out
    assert f"revoked {SIGNER} in block 7, transaction 0x01, 9 gas" in out
    assert said in out


@pytest.mark.parametrize("command", ["list", "show", "revoke", "register", "renew", "recheck"])
def test_every_command_of_the_group_has_its_help(command: str) -> None:
    assert _call("registry", command, "--help").exit_code == 0


@pytest.mark.parametrize("command", ["register", "renew"])
def test_registering_without_a_key_ends_with_2(config: Path, command: str) -> None:
    result = _call("registry", command, "-c", config)
    assert result.exit_code == 2
    assert "wanted the key of the operator, whom evidence names" in result.stderr


@pytest.mark.parametrize("option", ["--payer", "--payer-password"])
def test_a_payer_needs_both_its_files(config: Path, option: str) -> None:
    result = _call("registry", "recheck", SIGNER, option, "x", "-c", config)
    assert result.exit_code == 2
    assert "--payer needs --payer-password, and the other way round" in result.stderr
