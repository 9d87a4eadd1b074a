"""`oracle quorum`: what nodes of several operators need of each other."""

from pathlib import Path
from typing import Annotated

import typer

from oracle.cli.outcome import ends_with_status
from oracle.quorum.certificates import load_certificate, make_certificate

_YEARS = 5

app = typer.Typer(help="Nodes that make reports together.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Nodes that make reports together."""


@app.command("certificate")
def certificate(
    name: Annotated[str, typer.Option(help="Host name of this node; for people to read.")],
    certificate: Annotated[
        Path, typer.Option(help="Where to write the certificate; the other nodes get a copy.")
    ] = Path("node.pem"),
    private_key: Annotated[
        Path, typer.Option(help="Where to write its key, mode 0600; it stays here.")
    ] = Path("node.key"),
    days: Annotated[int, typer.Option(min=1, max=365 * _YEARS, help="Life.")] = 365,
) -> None:
    """Make a self-signed certificate that the other nodes pin.

    Files that exist are left alone. The other operators need the certificate, your operator
    address and your URL; compare the SHA-256 with them over another line.
    """
    with ends_with_status():
        make_certificate(certificate, private_key, name=name, days=days)
        made = load_certificate(certificate)
    typer.echo(f"certificate {certificate}")
    typer.echo(f"private key {private_key}")
    typer.echo(f"sha256 {made.sha256.hex()}")
