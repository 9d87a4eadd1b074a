from pathlib import Path

from oracle.devnet.operators import Operator, make_operators
from oracle.quorum.certificates import load_certificate


def files(operator: Operator) -> dict[str, int]:
    found = (operator.folder, *operator.folder.iterdir())
    return {path.name: path.stat().st_mode & 0o777 for path in found}


def test_operators_share_nothing_and_keep_their_secrets_private(tmp_path: Path) -> None:
    first, second = make_operators(tmp_path, (8_001, 8_002))
    secrets = {"keystore.json": 0o600, "password": 0o600, "node.key": 0o600}
    for operator in (first, second):
        wanted = {f"node-{operator.number}": 0o700, "node.pem": 0o644} | secrets
        assert files(operator) == wanted
    for name in ("keystore.json", "password", "node.key", "node.pem"):
        assert (first.folder / name).read_bytes() != (second.folder / name).read_bytes()
    assert first.address != second.address


def test_an_operator_pins_the_certificates_of_all_others(tmp_path: Path) -> None:
    first, second, third = make_operators(tmp_path, (8_001, 8_002, 8_003))
    section = second.quorum([first, third])
    assert section["listen"] == "127.0.0.1:8002"
    assert section["certificate"] == str(second.certificate)
    for other, peer in zip((first, third), section["peers"], strict=True):
        assert peer["operator"] == f"0x{other.address.hex()}"
        assert peer["url"] == f"https://127.0.0.1:{other.port}"
        pinned = load_certificate(Path(peer["certificate"]))
        assert pinned == load_certificate(other.certificate)


def test_an_operator_without_peers_has_no_certificate(tmp_path: Path) -> None:
    [alone] = make_operators(tmp_path, (0,))
    assert files(alone) == {"node-1": 0o700, "keystore.json": 0o600, "password": 0o600}
