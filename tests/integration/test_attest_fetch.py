"""`oracle attest fetch` and `verify` as a user calls them, with the emulated vendor's service."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from oracle.devnet.silicon.lifecycle import Lifecycle
from oracle.devnet.silicon.pcs import serve_pcs
from oracle.devnet.silicon.quotes import QuoteForm
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.vectors.dcap_parts import body_of


async def _oracle(*words: object) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "oracle", "attest", *(str(word) for word in words)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 50)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_a_quote_verifies_with_what_the_service_gave(tmp_path: Path) -> None:
    vendor = SiliconVendor(now=datetime.now(UTC))
    quote, root, folder = tmp_path / "quote", tmp_path / "root.pem", tmp_path / "endorsements"
    form = QuoteForm.TDX_V4
    quote.write_bytes(vendor.sign_body(form, body_of(form)))
    root.write_bytes(vendor.chain.root.certificate.public_bytes(Encoding.PEM))
    async with serve_pcs(Lifecycle(vendor, lambda: datetime.now(UTC)), 0) as url:
        status, output = await _oracle("fetch", quote, "--to", folder, "--service", url)
        assert status == 0, output
        assert output.startswith("fetched  intel-collateral.json, in date until ")
        again = await _oracle("fetch", quote, "--to", folder, "--service", url)
        assert again == (0, output.replace("fetched  ", "kept     "))
    status, output = await _oracle("verify", quote, "-e", folder, "--root", root)
    assert status == 0, output
    assert output.startswith("ACCEPTED  tdx (tdx-quote)")
    status, output = await _oracle("fetch", quote, "--to", tmp_path / "x", "--service", url)
    assert status == 2
    assert "not reachable" in output
