import ssl
import stat
from pathlib import Path

import pytest

from oracle.devnet.pki import Pki, make_pki


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return make_pki(tmp_path, ["api.kraken.com", "www.okx.com"])


def handshake(pki: Pki, *, served: str, wanted: str) -> None:
    """Run a whole TLS handshake in memory; raises as a client would."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(pki.certificates[served])
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    client_context.load_verify_locations(pki.ca)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=wanted)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.version() == "TLSv1.3"


def test_a_strict_client_accepts_the_leaf_of_the_right_host(pki: Pki) -> None:
    handshake(pki, served="api.kraken.com", wanted="api.kraken.com")


def test_a_leaf_names_no_other_host(pki: Pki) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(pki, served="api.kraken.com", wanted="www.okx.com")


def test_another_devnet_is_not_believed(pki: Pki, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    foreign = Pki(make_pki(other, ["api.kraken.com"]).ca, pki.certificates)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(foreign, served="api.kraken.com", wanted="api.kraken.com")


def test_private_keys_are_for_their_owner_only(pki: Pki) -> None:
    for path in pki.certificates.values():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"PRIVATE" not in pki.ca.read_bytes()
