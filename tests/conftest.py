"""What every test stands on: how properties are searched, and where sockets may connect."""

import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# A red run is red again for everyone: the everyday search is the same each time. `scripts/nightly`
# takes the other profile, which is long and draws new inputs.
settings.register_profile(
    "everyday", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("nightly", deadline=None, max_examples=10_000, print_blob=True)
settings.load_profile("everyday")

_TESTS = Path(__file__).parent
_MAY_CONNECT = (_TESTS / "integration",)


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside `integration/` no test connects over IP; unix sockets are local plumbing."""
    if not any(request.path.is_relative_to(folder) for folder in _MAY_CONNECT):
        for name in ("connect", "connect_ex"):
            monkeypatch.setattr(socket.socket, name, _refuse_ip(getattr(socket.socket, name)))


def _refuse_ip(original: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            raise AssertionError(
                f"a test outside tests/integration/ connects to {address}; use a fake"
            )
        return original(self, address)

    return guarded
