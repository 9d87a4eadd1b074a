"""Fetches with manners: circuit, budgets, no bursts, and a second request for one that stalls."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from enclave.circuit import Venue, Venues
from enclave.domain.errors import SourceError
from enclave.egress import Reply
from enclave.sources.base import HttpRequest

#: Statuses that mean too many requests; like those of a broken server, they count as failures.
_TOO_MANY = frozenset((418, 429))


class Fetcher(Protocol):
    """Gets replies; see `egress.Egress`."""

    async def fetch(self, request: HttpRequest, *, deadline_s: float) -> Reply:
        """One reply, or a `SourceError`."""
        ...


class Guard:
    """A fetcher in front of another one.

    Args:
        fetcher: Makes the requests.
        venues: Says which may be made.
        monotonic: Seconds that only grow.
    """

    def __init__(self, fetcher: Fetcher, venues: Venues, monotonic: Callable[[], float]) -> None:
        self._fetcher = fetcher
        self._venues = venues
        self._monotonic = monotonic

    async def fetch(self, request: HttpRequest, *, deadline_s: float) -> Reply:
        """Fetch one reply, if its venue may be asked.

        Args:
            request: What to ask.
            deadline_s: Total time, for everything done here too, seconds.

        Raises:
            SourceUnavailable: The venue is left alone now; see `circuit.Venue.admit`.
            SourceError: As the fetcher's.
        """
        venue, started = self._venues.venue(request.host), self._monotonic()
        venue.admit(started)
        venue.under_way += 1
        is_good = False
        try:
            delay_s = venue.delay_s(request.path)
            await asyncio.sleep(delay_s)
            reply = await self._hedged(request, venue, deadline_s - delay_s)
            is_good = reply.status < 500 and reply.status not in _TOO_MANY
            return reply
        finally:
            venue.under_way -= 1
            venue.settle(is_good=is_good, started=started, now=self._monotonic())

    async def _hedged(self, request: HttpRequest, venue: Venue, deadline_s: float) -> Reply:
        """The first reply of a request and, if that stalls, of a second one."""
        hedge_after_s = venue.manners.hedge_after_s
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._attempt(request, deadline_s))]
            done, _ = await asyncio.wait(tasks, timeout=hedge_after_s)
            if not done and venue.admit_hedge(self._monotonic()):
                tasks.append(group.create_task(self._attempt(request, deadline_s - hedge_after_s)))
            ended = asyncio.as_completed(tasks)
            result = await next(ended)
            if tasks[1:] and isinstance(result, SourceError):
                result = await next(ended)
            for task in tasks:
                task.cancel()
        if isinstance(result, SourceError):
            raise result
        return result

    async def _attempt(self, request: HttpRequest, deadline_s: float) -> Reply | SourceError:
        """One request; an error is returned, because another attempt may still be under way."""
        try:
            return await self._fetcher.fetch(request, deadline_s=deadline_s)
        except SourceError as error:
            return error
