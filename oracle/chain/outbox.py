"""Calls that wait to be sent, or for their end."""

from collections.abc import Collection
from dataclasses import dataclass, field

from enclave.domain.errors import ChainError
from oracle.chain.base import Call, Receipt


@dataclass(slots=True, eq=False)
class Wanted:
    """A call that somebody waits for.

    Attributes:
        call: What to send.
        hashes: Of the signed forms that were made of it; empty before the first one.
        receipt: How it ended.
        error: Why it did not.
    """

    call: Call
    hashes: set[bytes] = field(default_factory=set)
    receipt: Receipt | None = None
    error: ChainError | None = None

    @property
    def is_done(self) -> bool:
        """Whether its end is known."""
        return self.receipt is not None or self.error is not None

    def result(self) -> Receipt:
        """The receipt of success, or why there is none.

        Raises:
            ChainError: As it was given.
        """
        if self.receipt is None:
            raise self.error or ChainError(f"{self.call.purpose} has no end yet")
        return self.receipt


class Outbox:
    """Who waits for what, in order of arrival."""

    def __init__(self) -> None:
        self._waiting: list[Wanted] = []

    def add(self, call: Call) -> Wanted:
        """Somebody wants a call to be sent."""
        wanted = Wanted(call)
        self._waiting.append(wanted)
        return wanted

    def remove(self, wanted: Wanted) -> None:
        """Nobody waits for it any more; what was sent of it goes its way."""
        self._waiting.remove(wanted)

    def next(self) -> Wanted | None:
        """The call to send now, while no transaction is open."""
        return next((each for each in self._waiting if not each.is_done), None)

    def inherit(self, before: bytes, form: bytes) -> None:
        """A form was raised: whoever waits for it waits for the new one, too."""
        for wanted in self._waiting:
            if before in wanted.hashes:
                wanted.hashes.add(form)

    def end(self, forms: Collection[bytes], outcome: Receipt | ChainError, winner: bytes) -> bool:
        """A transaction ended.

        Args:
            forms: Hashes of all its forms.
            outcome: Receipt of success, or why there is none.
            winner: Hash of the form that was mined; of the newest one if none was.

        Returns:
            Whether anybody waited for it.
        """
        concerned = [each for each in self._waiting if not each.hashes.isdisjoint(forms)]
        for wanted in concerned:
            if winner not in wanted.hashes:
                # An older call of the same nonce was quicker after all: this one is sent anew.
                wanted.hashes.clear()
            elif isinstance(outcome, ChainError):
                wanted.error = outcome
            else:
                wanted.receipt = outcome
        return bool(concerned)
