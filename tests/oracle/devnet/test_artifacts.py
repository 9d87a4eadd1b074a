import pytest

from enclave.domain.errors import ConfigError
from oracle.devnet.artifacts import created_address, creation_code

DEPLOYER = bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")


@pytest.mark.parametrize(
    ("nonce", "address"),
    [
        # Known answers of the Ethereum community, for this account.
        (0, "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"),
        (1, "343c43a37d37dff08ae8c4a11544c718abb4fcf8"),
        (2, "f778b86fa74e846c4f0a1fbd1335fe81c00a0c91"),
        (3, "fffd933a0bc612844eaf0c6fe3e5b8e9b6c1d19c"),
    ],
)
def test_created_address(nonce: int, address: str) -> None:
    assert created_address(DEPLOYER, nonce).hex() == address


def test_addresses_of_nonces_of_one_and_two_bytes_differ() -> None:
    seen = {created_address(DEPLOYER, nonce) for nonce in (0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF)}
    assert len(seen) == 7


def test_creation_code_ends_with_the_constructor_arguments() -> None:
    code = creation_code("PriceConsumer", b"\x11" * 20, 60)
    assert code.endswith(bytes(12) + b"\x11" * 20 + (60).to_bytes(32, "big"))


def test_a_contract_without_artifact_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no artifact Nothing\.json"):
        creation_code("Nothing")
