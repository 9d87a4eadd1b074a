"""`/live`, `/ready` and `/metrics` over real HTTP."""

import aiohttp
import pytest

from enclave.domain.errors import ConfigError
from oracle.telemetry.health import serve_health
from oracle.telemetry.state import ChainState, NodeState, SignerState


async def _get(port: int, path: str) -> tuple[int, str, str]:
    url = f"http://127.0.0.1:{port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, response.content_type, await response.text()


async def test_health_is_served_and_follows_the_state() -> None:
    chain = ChainState("here", is_dry_run=False)
    state = NodeState(started_at=0, chains=(chain,))
    async with serve_health(state, host="127.0.0.1", port=0, round_limit_s=10**9) as port:
        assert (await _get(port, "/live"))[0] == 200
        status, _, body = await _get(port, "/ready")
        assert status == 503
        assert "the enclave is not running" in body

        state.signer = SignerState(address="0xA")
        chain.is_accepted, state.rounds = True, 1
        assert (await _get(port, "/ready"))[0] == 200

        status, kind, body = await _get(port, "/metrics")
        assert (status, kind) == (200, "text/plain")
        assert 'oracle_accepted{chain="here"} 1.0' in body
        assert (await _get(port, "/"))[0] == 404


async def test_a_port_that_is_taken_names_the_key_to_change() -> None:
    state = NodeState(started_at=0)
    async with serve_health(state, host="127.0.0.1", port=0, round_limit_s=1) as port:
        with pytest.raises(ConfigError, match=rf"http: 127\.0\.0\.1:{port}: .*; set http\.port"):
            async with serve_health(state, host="127.0.0.1", port=port, round_limit_s=1):
                raise AssertionError
