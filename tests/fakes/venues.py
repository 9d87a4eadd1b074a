"""Price sources for tests: an adapter whose bodies are `PRICE` or `PRICE@TIME`, and its replies."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from enclave.domain.errors import ConfigError, SourceError, SourceMalformed, SourceUnavailable
from enclave.domain.feed import SourceSpec
from enclave.domain.fixed_point import FixedPoint
from enclave.domain.observation import Quote
from enclave.egress import Reply
from enclave.sources.base import HttpRequest
from tests.fakes.feeds import FAKE_ADAPTER

#: The second at which fake replies are made unless they say otherwise.
NOW = 1_800_000_000


class FakeAdapter:
    """Reads `PRICE` or `PRICE@TIME`."""

    name = FAKE_ADAPTER

    def request(self, spec: SourceSpec) -> HttpRequest:
        host = spec.params.get("host")
        if not isinstance(host, str):
            raise ConfigError("params.host is missing")
        return HttpRequest(host, "/price")

    def parse(self, spec: SourceSpec, status: int, body: bytes) -> Quote:
        if status != 200:
            raise SourceUnavailable(f"status {status}")
        price, _, published_at = body.decode().partition("@")
        if not price:
            raise SourceMalformed("no price")
        return Quote(FixedPoint.parse(price), int(published_at) if published_at else None)


ADAPTERS: Mapping[str, FakeAdapter] = {FAKE_ADAPTER: FakeAdapter()}


def http_date(moment: int) -> str:
    """IMF-fixdate."""
    return datetime.fromtimestamp(moment, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


def reply(body: str, *, date: int = NOW, ages: tuple[str, ...] = (), status: int = 200) -> Reply:
    """A reply with one `Date`."""
    return Reply(status=status, body=body.encode(), dates=(http_date(date),), ages=ages)


@dataclass
class FakeFetcher:
    """Answers by host; a host without a reply is never answered."""

    replies: dict[str, Reply | Exception] = field(default_factory=dict)
    asked: list[HttpRequest] = field(default_factory=list)
    deadlines_s: list[float] = field(default_factory=list)

    def say(self, date: int = NOW, **bodies: str) -> None:
        """Let hosts `NAME.example` answer with these bodies."""
        for name, body in bodies.items():
            self.replies[f"{name}.example"] = reply(body, date=date)

    def fail(self, name: str, error: SourceError) -> None:
        """Let a host fail."""
        self.replies[f"{name}.example"] = error

    async def fetch(self, request: HttpRequest, *, deadline_s: float) -> Reply:
        self.asked.append(request)
        self.deadlines_s.append(deadline_s)
        answer = self.replies.get(request.host)
        if answer is None:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")
        if isinstance(answer, Exception):
            raise answer
        return answer
