import pytest

from enclave.domain.errors import ConfigError
from oracle.devnet.market import SCALE, Market, digits, spell

ONE = 10**SCALE


def walk(seed: int, steps: int) -> list[int]:
    market = Market(seed)
    prices = []
    for _ in range(steps):
        market.advance("BTC")
        prices.append(market.price("BTC", "USD", venue="kraken"))
    return prices


def test_the_same_seed_walks_the_same_way() -> None:
    assert walk(7, 50) == walk(7, 50)
    assert walk(7, 50) != walk(8, 50)


def test_prices_move_from_reply_to_reply_and_stay_near_their_anchor() -> None:
    prices = walk(1, 2_000)
    assert len(set(prices)) > 1_000
    assert max(prices) < min(prices) * 1.0305


def test_a_step_of_an_asset_moves_its_price_by_that_much() -> None:
    market = Market(1)
    before = market.price("ETH", "USD", venue="okx")
    market.step("ETH", 60)
    after = market.price("ETH", "USD", venue="okx")
    assert abs(after * 10_000 // before - 10_060) <= 1


def test_a_step_of_the_quote_moves_the_cross_the_other_way() -> None:
    market = Market(1)
    before = market.price("ETH", "BTC", venue="okx")
    market.step("BTC", 100)
    assert market.price("ETH", "BTC", venue="okx") < before


def test_the_dollar_stands_still() -> None:
    market = Market(1)
    market.advance("USD")
    with pytest.raises(ConfigError, match="cannot move 'USD'"):
        market.step("USD", 1)


@pytest.mark.parametrize(("asset", "bps"), [("NONE", 1), ("BTC", -10_000)])
def test_step_refuses_unknown_assets_and_worthless_ones(asset: str, bps: int) -> None:
    with pytest.raises(ConfigError, match="cannot move"):
        Market(1).step(asset, bps)


def test_venues_differ_by_at_most_half_a_basis_point_from_the_market() -> None:
    market = Market(3)
    prices = [market.price("BTC", "USD", venue=f"venue {n}") for n in range(200)]
    assert len(set(prices)) > 50
    assert (max(prices) - min(prices)) * 10_000 <= max(prices)


@pytest.mark.parametrize(
    ("units", "scale", "decimals", "text"),
    [(181_234, 2, 1, "1812.3"), (5, 3, 8, "0.00500000"), (1999, 3, 0, "1"), (7, 0, 2, "7.00")],
)
def test_spell_cuts_and_pads(units: int, scale: int, decimals: int, text: str) -> None:
    assert spell(units, scale, decimals) == text


@pytest.mark.parametrize(
    ("price", "decimals"), [(85_000 * ONE, 2), (ONE, 6), (ONE // 1000, 6), (10**9 * ONE, 1)]
)
def test_digits_show_seven_digits_or_better(price: int, decimals: int) -> None:
    assert digits(price, SCALE) == decimals
