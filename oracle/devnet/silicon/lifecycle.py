"""A vendor over time: its clock, what it has published, and what happens to its machine."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from oracle.devnet.silicon.collateral import LIFE, PublishedCollateral
from oracle.devnet.silicon.vendor import SiliconVendor

#: The vendor publishes anew once a day, unless it is told to stop.
PUBLISHING_INTERVAL = timedelta(days=1)
#: Documents are dated back so far: what is dated now is of the future to a chain that is behind.
HANDLING = timedelta(minutes=1)
#: How long a number is early before it becomes the standard one.
EARLY = timedelta(days=42)


class Lifecycle:
    """One vendor, its clock and its present publication.

    Every event but the machine's own updates publishes anew at once.

    Args:
        vendor: Who signs.
        clock: The real time, aware.
    """

    def __init__(self, vendor: SiliconVendor, clock: Callable[[], datetime]) -> None:
        self._vendor = vendor
        self._clock = clock
        self._offset = timedelta()
        self._publishes = True
        self._issued_at = datetime.min.replace(tzinfo=UTC)
        self._published: Mapping[int, PublishedCollateral] = {}
        self.publish()

    @property
    def vendor(self) -> SiliconVendor:
        """Whose life it is."""
        return self._vendor

    @property
    def now(self) -> datetime:
        """The vendor's time, cut to seconds."""
        return (self._clock() + self._offset).astimezone(UTC).replace(microsecond=0)

    @property
    def standard_number(self) -> int:
        """The newest TCB evaluation data number that was public long enough, or the oldest."""
        since = int((self.now - EARLY).timestamp())
        *newer, oldest = self._vendor.collateral.numbers
        return next((each.number for each in newer if each.recovery_at <= since), oldest.number)

    def published(self) -> Mapping[int, PublishedCollateral]:
        """What the vendor serves now, by TCB evaluation data number, the newest first."""
        if self._publishes and self.now >= self._published_at + PUBLISHING_INTERVAL:
            self.publish()
        return self._published

    def publish(self, *, age: timedelta = HANDLING, life: timedelta = LIFE) -> datetime:
        """Publish everything anew, and go on doing so.

        Args:
            age: How long ago it was issued, by its own date. With the default it is later than
                that of everything before, whatever the clock says; a chain takes nothing else.
            life: From its date to its end; the root's CRL has its own.

        Returns:
            Its issue date.
        """
        issued_at = self.now - age
        if age == HANDLING:
            issued_at = max(issued_at, self._issued_at + timedelta(seconds=1))
        office = self._vendor.collateral
        self._published = MappingProxyType(
            {
                each.number: office.publish(now=issued_at, number=each.number, life=life)
                for each in office.numbers
            }
        )
        self._issued_at = issued_at
        self._published_at = self.now
        self._publishes = True
        return issued_at

    def stop_publishing(self) -> None:
        """Serve what there is until it ends and beyond; `publish` takes up again."""
        self._publishes = False

    def set_offset(self, offset: timedelta) -> None:
        """Set the vendor's clock to the real time and so much more or less."""
        self._offset = offset

    def revoke_pck(self) -> None:
        """Put the machine's present PCK certificate on the list."""
        self._vendor.collateral.revoke_pck()
        self.publish()

    def revoke_by_root(self, serial: int) -> None:
        """Put a certificate of the root on its list."""
        self._vendor.collateral.revoke_by_root(serial)
        self.publish()

    def recover_tcb(self) -> int:
        """A vulnerability becomes public now; returns the new number."""
        self._vendor.collateral.recover_tcb(now=self.now)
        self.publish()
        return self._vendor.collateral.number

    def update_machine(self) -> None:
        """See `SiliconVendor.update_machine`."""
        self._vendor.update_machine(now=self.now)
