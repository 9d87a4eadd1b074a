"""Task groups that raise one error instead of a group of them."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from oracle.enclave_link import EnclaveLost


async def run_together(*work: Coroutine[Any, Any, None]) -> None:
    """Run until the first fails or all end; the others are then cancelled.

    Raises:
        BaseException: The first error that is not a cancellation; a lost enclave before others,
            because the rest follows from it.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            for coroutine in work:
                tasks.create_task(coroutine)
    except BaseExceptionGroup as group:
        raise leading_error(group) from group


def leading_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to report for a group: a lost enclave, else the first."""
    errors = _flatten(group)
    lost = [error for error in errors if isinstance(error, EnclaveLost)]
    return (lost or errors)[0]


def _flatten(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _flatten(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
