"""Calls that wait to be sent, or for their end."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from enclave.domain.errors import ChainError
from oracle.chain.base import Call, Receipt, Superseded


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
        """Somebody wants a call to be sent; older ones that it supersedes are not sent any more."""
        for older in self._waiting:
            if not older.is_done and not older.hashes and call.supersedes(older.call):
                older.error = _superseded(older.call)
        wanted = Wanted(call)
        self._waiting.append(wanted)
        return wanted

    def remove(self, wanted: Wanted) -> None:
        """Nobody waits for it any more; what was sent of it goes its way."""
        self._waiting.remove(wanted)

    def next(self) -> Wanted | None:
        """The call to send now, while no transaction is open: reports first, which grow old."""
        ready = [each for each in self._waiting if not each.is_done]
        return next((each for each in ready if each.call.feeds), ready[0] if ready else None)

    def successor(self, call: Call) -> Wanted | None:
        """The newest call that supersedes one that is on its way, and was not sent yet."""
        for wanted in reversed(self._waiting):
            if not wanted.is_done and not wanted.hashes and wanted.call.supersedes(call):
                return wanted
        return None

    def is_awaited(self, form: bytes) -> bool:
        """Whether anybody waits for this form."""
        return any(form in wanted.hashes for wanted in self._waiting)

    def inherit(self, before: bytes, form: bytes) -> None:
        """A form was raised: whoever waits for it waits for the new one, too."""
        for wanted in self._waiting:
            if before in wanted.hashes:
                wanted.hashes.add(form)

    def end(self, forms: Sequence[bytes], outcome: Receipt | ChainError, winner: bytes) -> bool:
        """A transaction ended.

        Args:
            forms: Hashes of all its forms, oldest first.
            outcome: Receipt of success, or why there is none.
            winner: Hash of the form that was mined; of the newest one if none was.

        Returns:
            Whether anybody waited for it.
        """
        concerned = [each for each in self._waiting if not each.hashes.isdisjoint(forms)]
        newer = set(forms[forms.index(winner) + 1 :])
        for wanted in concerned:
            if winner not in wanted.hashes and wanted.hashes & newer:
                # An older call of the same nonce was quicker after all: this one is sent anew.
                wanted.hashes.clear()
            elif winner not in wanted.hashes:
                wanted.error = _superseded(wanted.call)
            elif isinstance(outcome, ChainError):
                wanted.error = outcome
            else:
                wanted.receipt = outcome
        return bool(concerned)


def _superseded(call: Call) -> Superseded:
    return Superseded(f"{call.purpose}: a newer report for the same feeds took its place")
