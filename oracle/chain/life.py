"""What ends a registration."""

from collections.abc import Mapping
from enum import IntEnum


class LifeCause(IntEnum):
    """What ends, or ended, a registration; numbered as in the contracts (`LifeCause.sol`)."""

    NONE = 0
    AGE = 1
    CERTIFICATE = 2
    COLLATERAL = 3
    RECOVERY = 4
    APPRAISAL = 5
    REVOKED = 6
    WITHDRAWN = 7

    @property
    def words(self) -> str:
        """For people and metrics."""
        return _CAUSES[self]


_CAUSES: Mapping[LifeCause, str] = {
    LifeCause.NONE: "nothing",
    LifeCause.AGE: "policy age",
    LifeCause.CERTIFICATE: "certificate",
    LifeCause.COLLATERAL: "collateral",
    LifeCause.RECOVERY: "TCB recovery",
    LifeCause.APPRAISAL: "appraisal",
    LifeCause.REVOKED: "revocation",
    LifeCause.WITHDRAWN: "image withdrawal",
}
