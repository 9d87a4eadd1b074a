"""The daemon: relay, enclave, registration, rounds and submissions as one task group."""

from oracle.daemon.events import (
    EnclaveEnded,
    Event,
    Observer,
    ReportLanded,
    ReportOvertaken,
    ReportPlanned,
    ReportRefused,
    ReportSuperseded,
    RoundMade,
    SignerReady,
)
from oracle.daemon.node import Daemon
from oracle.daemon.reports import Schedule, every_answer

__all__ = [
    "Daemon",
    "EnclaveEnded",
    "Event",
    "Observer",
    "ReportLanded",
    "ReportOvertaken",
    "ReportPlanned",
    "ReportRefused",
    "ReportSuperseded",
    "RoundMade",
    "Schedule",
    "SignerReady",
    "every_answer",
]
