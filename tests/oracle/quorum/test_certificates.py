"""Certificates: what is made, and which files are refused in which words."""

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from enclave.domain.errors import ConfigError
from oracle.config import PeerConfig, QuorumConfig
from oracle.quorum.certificates import (
    Peer,
    client_context,
    load_certificate,
    load_identity,
    load_peers,
    make_certificate,
    server_context,
)
from tests.fakes.certificates import issue

ALICE, BOB = "0x" + "a" * 40, "0x" + "b" * 40


def _config(folder: Path, name: str = "own", *peers: tuple[str, Path]) -> QuorumConfig:
    return QuorumConfig(
        listen="127.0.0.1:0",
        certificate=folder / f"{name}.pem",
        private_key=folder / f"{name}.key",
        peers=tuple(
            PeerConfig(operator=operator, url=f"https://n{number}:1", certificate=path)
            for number, (operator, path) in enumerate(peers or [(ALICE, folder / "x.pem")])
        ),
    )


def _make(folder: Path, name: str = "own", days: int = 30) -> Path:
    path = folder / f"{name}.pem"
    make_certificate(path, folder / f"{name}.key", name="node.example", days=days)
    return path


def test_a_made_certificate_is_one_that_a_node_can_use(tmp_path: Path) -> None:
    path = _make(tmp_path)
    identity = load_identity(_config(tmp_path))
    found = x509.load_pem_x509_certificate(path.read_bytes())
    assert identity.certificate.der == found.public_bytes(serialization.Encoding.DER)
    assert identity.certificate.not_after == int(found.not_valid_after_utc.timestamp())
    constraints = found.extensions.get_extension_for_class(x509.BasicConstraints)
    assert not constraints.value.ca
    peer = Peer(ALICE, "https://n:1", identity.certificate)
    server_context(identity, [peer])
    client_context(identity, peer)


def test_the_key_of_a_made_certificate_is_for_its_owner_alone(tmp_path: Path) -> None:
    _make(tmp_path)
    assert stat.S_IMODE((tmp_path / "own.key").stat().st_mode) == 0o600


def test_no_file_is_overwritten_and_none_is_made_in_vain(tmp_path: Path) -> None:
    before = _make(tmp_path).read_bytes()
    with pytest.raises(ConfigError, match="exists; move it away"):
        _make(tmp_path)
    assert (tmp_path / "own.pem").read_bytes() == before
    (tmp_path / "own.key").unlink()
    with pytest.raises(ConfigError, match=r"own\.pem exists; move it away"):
        _make(tmp_path)
    assert not (tmp_path / "own.key").exists()


@pytest.mark.parametrize("name", ["", "n" * 65, "b\u00fccher.example"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is no host name"):
        make_certificate(tmp_path / "c.pem", tmp_path / "c.key", name=name, days=1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no/own\.key: cannot be written: No such file"):
        _make(tmp_path / "no")


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    _make(tmp_path)
    (tmp_path / "own.key").chmod(0o640)
    with pytest.raises(ConfigError, match="mode 0640, wanted 0600"):
        load_identity(_config(tmp_path))


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    _make(tmp_path)
    _make(tmp_path, "other")
    (tmp_path / "own.key").write_bytes((tmp_path / "other.key").read_bytes())
    with pytest.raises(ConfigError, match=r"own\.key is not the key of .*own\.pem"):
        load_identity(_config(tmp_path))


def test_a_key_that_is_none_is_refused_without_its_content(tmp_path: Path) -> None:
    _make(tmp_path)
    (tmp_path / "own.key").write_bytes(b"-----BEGIN PRIVATE KEY-----\nsecret\n")
    with pytest.raises(ConfigError, match="not a private key in PEM") as caught:
        load_identity(_config(tmp_path))
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"", "not a certificate in PEM"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not a certificate"),
    ],
)
def test_a_file_that_is_no_certificate_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "x.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_certificate(path)


def test_a_chain_is_not_what_is_pinned(tmp_path: Path) -> None:
    path = _make(tmp_path)
    path.write_bytes(path.read_bytes() + _make(tmp_path, "other").read_bytes())
    with pytest.raises(ConfigError, match="2 certificates, wanted 1"):
        load_certificate(path)


def test_two_nodes_with_one_certificate_are_refused(tmp_path: Path) -> None:
    own, other = _make(tmp_path), _make(tmp_path, "other")
    identity = load_identity(_config(tmp_path))
    twice = _config(tmp_path, "own", (ALICE, other), (BOB, other))
    with pytest.raises(ConfigError, match=f"{twice.peers[1].operator} has the certificate of 0x"):
        load_peers(twice, identity.certificate)
    mine = _config(tmp_path, "own", (ALICE, own))
    with pytest.raises(ConfigError, match="has the certificate of this node"):
        load_peers(mine, identity.certificate)


def test_peers_keep_the_order_of_the_file(tmp_path: Path) -> None:
    _make(tmp_path)
    paths = [_make(tmp_path, name) for name in ("b", "a")]
    config = _config(tmp_path, "own", (BOB, paths[0]), (ALICE, paths[1]))
    peers = load_peers(config, load_identity(config).certificate)
    assert [peer.url for peer in peers] == ["https://n0:1", "https://n1:1"]
    assert [peer.certificate for peer in peers] == [load_certificate(path) for path in paths]


def test_a_certificate_that_tls_does_not_take_is_named(tmp_path: Path) -> None:
    alice = issue(tmp_path, "alice")
    alice.identity.private_key_file.write_bytes(b"")
    with pytest.raises(ConfigError, match=r"alice\.pem: cannot be used for TLS"):
        server_context(alice.identity, [])
