"""The words after `oracle attest`, read with the standard library.

typer, which reads those of the other commands, loads pydantic to convert them: a fifth of a second
that a verifier does not need.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from enclave.domain.errors import ConfigError
from oracle.attestation.claims import Tee
from oracle.attestation.evidence import EvidenceFormat
from oracle.cli.output import Output

_INPUT = """\
FILE is the evidence, or a folder with it and everything that it needs. What it is, and what the
files of --endorsements are, is told by their content, never by their names.
"""
HELP = """\
Evidence of trusted hardware: verify it to the vendor's root, appraise it, explain it.

Works offline, with no configuration and no chain. Reads SGX and TDX quotes, SEV-SNP reports, AWS
Nitro documents, Azure HCL reports and MAA tokens, Confidential Space tokens, TPM quotes, Arm CCA
and PSA tokens; which one it is, it tells by content.

Exit status: 0 accepted, 1 refused, 2 the input cannot be used.
"""
VERIFY_HELP = f"""\
Say whether evidence is genuine and acceptable.

Verifies every signature up to the vendor's root, then appraises what is proved. Without a policy
the strict defaults hold: no debug mode, firmware UpToDate, no banned product line. What was not
checked is listed, above all WHICH code runs, unless the policy has reference values.

{_INPUT}
  oracle attest verify quote.bin --endorsements collateral.json --policy node.toml
  oracle attest verify report.bin -e vcek.der -e chain.pem --at 2026-01-15T00:00:00Z
  oracle attest verify token.cbor --pin cpak.pem          (no vendor's root: you vouch for the key)

Exit status: 0 accepted, 1 refused, 2 the input cannot be used.
"""
EXPLAIN_HELP = f"""\
Say in words what evidence proves, or which check failed and how to mend it.

Takes what `verify` takes and ends with the same status. For a refusal: the step, what it means, the
register, firmware component, certificate or date concerned, what was seen and wanted, and what to
do. For success: what is proved, to which root, and what was not checked.

{_INPUT}"""
FETCH_HELP = """\
Fetch what the vendors' services have for evidence into a folder, for `verify` to read offline.

Intel's collateral (SGX, TDX); AMD's certificates and revocation lists (SNP, Azure); the key sets
of Google's OIDC tokens and of Azure Attestation's shared providers; the revocation lists of
certificates given with --endorsements, where Google and Microsoft keep them. What is there and in
date is not asked for again. Nothing is verified here: a service can withhold, it cannot forge.

  oracle attest fetch quote.bin --to endorsements
  oracle attest verify quote.bin -e endorsements

Exit status: 0 all that is needed is there, 2 it is not.
"""
SHOW_HELP = f"""\
Decode evidence into a tree: offset and size in bytes, name, value. Verifies NOTHING.

{_INPUT}"""


class Command(StrEnum):
    """What to do."""

    VERIFY = "verify"
    EXPLAIN = "explain"
    SHOW = "show"
    FETCH = "fetch"


@dataclass(frozen=True, slots=True)
class Words:
    """What the command line says.

    Attributes:
        command: What to do.
        file: Evidence, or a folder with it.
        tee: The only one to accept; None for any.
        evidence_format: How to read the file; None: as its content tells.
        endorsements: Files and folders.
        output: Form of the result.
        policy: File; None for the strict defaults.
        at: Moment of verification, seconds since the epoch.
        pins: Files of keys to trust.
        roots: Files of root certificates to trust instead of the vendors'.
        to: Folder to fetch into.
        service: Where Intel's collateral is fetched; empty for Intel's own.
    """

    command: Command
    file: Path
    evidence_format: EvidenceFormat | None
    endorsements: tuple[Path, ...]
    output: Output
    tee: Tee | None = None
    policy: Path | None = None
    at: int = 0
    pins: tuple[Path, ...] = ()
    roots: tuple[Path, ...] = ()
    to: Path = Path()
    service: str = ""


def read_words(words: Sequence[str]) -> Words:
    """Read the command line.

    Raises:
        ConfigError: `--at` is no moment.
        SystemExit: 2 for other faults, 0 after --help; argparse has said why.
    """
    parser = argparse.ArgumentParser(
        prog="oracle attest",
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command, text in _HELPS.items():
        _add_command(commands, command, text)
    found = vars(parser.parse_args(words))
    return Words(
        command=Command(found["command"]),
        file=found["file"],
        evidence_format=found["format"],
        endorsements=tuple(found["endorsements"]),
        output=found.get("output", Output.TEXT),
        tee=found.get("tee"),
        policy=found.get("policy"),
        at=parse_moment(found.get("at")),
        pins=tuple(found.get("pin", ())),
        roots=tuple(found.get("root", ())),
        to=found.get("to", Path()),
        service=found.get("service", ""),
    )


def parse_moment(text: str | None) -> int:
    """A moment on the command line, in seconds since the epoch; now if there is none.

    Raises:
        ConfigError: Neither a number of seconds nor ISO 8601 with an offset.
    """
    if text is None:
        return int(datetime.now(UTC).timestamp())
    if text.isascii() and text.isdecimal() and len(text) <= 11:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigError(
            f"--at is {text!r}, wanted seconds since the epoch or 2026-01-15T00:00:00Z"
        )
    return int(moment.timestamp())


_HELPS = {
    Command.VERIFY: VERIFY_HELP,
    Command.EXPLAIN: EXPLAIN_HELP,
    Command.SHOW: SHOW_HELP,
    Command.FETCH: FETCH_HELP,
}


def _add_command(commands: Any, command: Command, text: str) -> None:
    parser = commands.add_parser(
        command,
        help=text.partition("\n")[0],
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_input(parser)
    if command in (Command.VERIFY, Command.EXPLAIN):
        _add_rules(parser)
    if command is Command.FETCH:
        _add_fetching(parser)
    if command in (Command.VERIFY, Command.SHOW):
        parser.add_argument(
            "--output",
            type=Output,
            choices=list(Output),
            default=Output.TEXT,
            metavar="FORM",
            help="text for people (default), json for machines",
        )


def _add_fetching(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="folder for what is fetched"
    )
    parser.add_argument(
        "--service",
        default="",
        metavar="URL",
        help="a cache with the API of Intel's service (PCCS) instead of Intel's",
    )


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--endorsements",
        "-e",
        type=Path,
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="certificates, revocation lists, collateral, key sets, and further parts of the"
        " evidence (signature, registers, event log); several times",
    )
    parser.add_argument(
        "--format",
        type=EvidenceFormat,
        choices=list(EvidenceFormat),
        metavar="FORMAT",
        help=f"how to read FILE, where its content leaves that open: {_listed(EvidenceFormat)}",
    )


def _add_rules(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--tee",
        type=Tee,
        choices=list(Tee),
        metavar="TEE",
        help=f"refuse evidence of anything else than this: {_listed(Tee)}",
    )
    add(
        "--policy",
        type=Path,
        metavar="FILE",
        help="TOML with rules and reference values; the keys are in oracle/attestation/README.md",
    )
    add(
        "--at",
        metavar="TIME",
        help="verify as of then (seconds since the epoch, or 2026-01-15T00:00:00Z), not as of now",
    )
    add(
        "--pin",
        type=Path,
        action="append",
        default=[],
        metavar="KEYFILE",
        help="trust this attestation key (PEM, DER or TPMT_PUBLIC), for platforms without a"
        " vendor's root: CCA, PSA, a TPM; several times",
    )
    add(
        "--root",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="trust this root certificate INSTEAD of every vendor's, for emulated hardware; the"
        " result says so; several times",
    )


def _listed(kind: type[EvidenceFormat] | type[Tee]) -> str:
    return ", ".join(each.value for each in kind)
