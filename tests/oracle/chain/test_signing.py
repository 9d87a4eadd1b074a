"""Signed transactions are those of another program, byte for byte."""

from typing import Any

from coincurve import PrivateKey
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from oracle.chain.signing import sign_transaction

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_SECRETS = st.integers(1, _ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
_WEI = st.integers(0, 2**90)
_COMMON = {
    "chainId": st.integers(1, 2**40),
    "nonce": st.integers(0, 2**40),
    "to": st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
    "value": _WEI,
    "data": st.binary(max_size=400),
    "gas": st.integers(21_000, 2**32),
}
_DYNAMIC = st.fixed_dictionaries(
    {
        **_COMMON,
        "type": st.just(2),
        "maxFeePerGas": _WEI,
        "maxPriorityFeePerGas": _WEI,
        "accessList": st.just([]),
    }
)
_LEGACY = st.fixed_dictionaries({**_COMMON, "gasPrice": _WEI})


@given(secret=_SECRETS, fields=_DYNAMIC | _LEGACY)
def test_a_transaction_is_signed_as_another_program_does(
    secret: bytes, fields: dict[str, Any]
) -> None:
    raw, hash_ = sign_transaction(PrivateKey(secret), fields)
    to = bytes.fromhex(fields["to"][2:])
    other = Account.from_key(secret).sign_transaction({**fields, "to": to})
    assert raw == bytes(other.raw_transaction)
    assert hash_ == bytes(other.hash)
    assert Account.recover_transaction(raw) == Account.from_key(secret).address
