"""`oracle doctor`: check every part that the node stands on, and say how to mend it."""

import asyncio
import json
import sys
from pathlib import Path

import typer

from oracle.cli.findings import Verdict
from oracle.cli.outcome import ConfigPath, ExitStatus, Output, OutputOption, ends_with_status
from oracle.config import load_chains
from oracle.feeds.configured import node_feeds
from oracle.telemetry.logging import configure_logging


def doctor(config: ConfigPath = Path("oracle.toml"), output: OutputOption = Output.TEXT) -> None:
    """Check endpoints, contracts, key, balance, seats, sources, peers, enclave, image and journal.

    Of several chains each is checked; the name of the chain stands before its checks. Starts an
    enclave of its own beside a running node and stops it again; sends no transaction. Each line
    says what was found and, if it is not well, how to mend it. Exit status 3 if anything must be
    mended.
    """
    with ends_with_status():
        settings = load_chains(config)
        feeds = node_feeds(settings)
        configure_logging(sys.stderr, level="error", style="text")
        # Imported here: it brings eth_account.
        from oracle.cli.checks import check_all

        findings = asyncio.run(check_all(settings, feeds))
    failed = [finding for finding in findings if finding.verdict is Verdict.FAIL]
    if output is Output.JSON:
        rows = [
            {"check": f.check, "verdict": f.verdict.value, "seen": f.seen, "mend": f.mend}
            for f in findings
        ]
        typer.echo(json.dumps({"ok": not failed, "checks": rows}, indent=2))
    else:
        width = max(12, *(len(finding.check) for finding in findings))
        for finding in findings:
            typer.echo(f"{finding.verdict.value:<5} {finding.check:<{width}} {finding.seen}")
            if finding.mend:
                typer.echo(f"      {'':<{width}} mend: {finding.mend}")
        typer.echo(f"{len(failed)} to mend" if failed else "all is well")
    if failed:
        raise typer.Exit(ExitStatus.NOT_READY)
