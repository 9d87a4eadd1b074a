"""A deterministic market: one seeded random walk per asset, in integers."""

import hashlib
from collections.abc import Mapping

from enclave.domain.errors import ConfigError

#: Decimals of the model's own prices, in US dollars.
SCALE = 12
_ONE = 1_000_000_000_000
#: Where each asset starts, in dollars times 10**6.
ANCHORS: Mapping[str, int] = {
    "USD": 1_000_000,
    "BTC": 85_770_000_000,
    "ETH": 2_701_410_000,
    "SOL": 171_250_000,
    "LINK": 17_220_000,
    "XRP": 2_312_000,
    "ADA": 642_100,
    "DOGE": 187_300,
    "AVAX": 21_870_000,
    "DOT": 4_105_000,
    "LTC": 92_440_000,
    "BCH": 512_300_000,
    "BNB": 812_600_000,
    "UNI": 7_915_000,
    "AAVE": 218_400_000,
    "MATIC": 412_000,
    "POL": 231_000,
    "ATOM": 4_480_000,
    "ARB": 415_488,
    "PAXG": 4_012_500_000,
    "XAU": 4_010_900_000,
    "WBTC": 85_710_000_000,
    "STETH": 2_699_800_000,
    "USDC": 999_900,
    "USDT": 1_000_200,
    "DAI": 999_800,
    "PYUSD": 999_700,
    "EUR": 1_162_200,
    "GBP": 1_353_000,
    "JPY": 6_400,
    "CHF": 1_246_000,
    "AUD": 655_000,
    "CAD": 718_000,
}
#: Assets that stay close to their anchor: money and what promises to be money.
_CALM = frozenset({"USDC", "USDT", "DAI", "PYUSD", "EUR", "GBP", "JPY", "CHF", "AUD", "CAD"})
#: Largest move of one step, and largest distance from the anchor, in hundredths of a basis point.
_STEP = 60
_CALM_STEP = 4
_REACH = 15_000
_CALM_REACH = 300
_UNIT = 1_000_000
#: A millionth of a dollar in the model's prices.
_MICRO = _ONE // 1_000_000


class Market:
    """Prices of every asset in US dollars; each reply of a venue moves them a little.

    The sequence of prices is a function of the seed and of the sequence of calls. An asset
    strays at most 1.5 % from its anchor (money 0.03 %); `step` moves the anchor.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed.to_bytes(8, "big")
        self._anchors = {asset: value * _MICRO for asset, value in ANCHORS.items()}
        self._offsets = dict.fromkeys(ANCHORS, 0)
        self._moves = dict.fromkeys(ANCHORS, 0)

    def knows(self, asset: str) -> bool:
        """Whether the asset is traded here."""
        return asset in self._anchors

    def step(self, asset: str, bps: int) -> None:
        """Move an asset for good.

        Args:
            asset: Any asset but USD, in which prices are told.
            bps: Basis points, above -10,000; negative is down.

        Raises:
            ConfigError: No such asset, or a move to zero or below.
        """
        if asset == "USD" or asset not in self._anchors or bps <= -10_000:
            raise ConfigError(f"cannot move {asset!r} by {bps} basis points")
        self._anchors[asset] = self._anchors[asset] * (10_000 + bps) // 10_000

    def advance(self, asset: str) -> None:
        """Take the next step of an asset's walk; the dollar stands still."""
        if asset == "USD":
            return
        step, reach = (_CALM_STEP, _CALM_REACH) if asset in _CALM else (_STEP, _REACH)
        self._moves[asset] += 1
        draw = _draw(self._seed, asset, self._moves[asset]) % (2 * step + 1) - step
        moved = self._offsets[asset] + draw
        self._offsets[asset] = moved if abs(moved) <= reach else self._offsets[asset] - draw

    def price(self, base: str, quote: str, *, venue: str) -> int:
        """Price of the pair at a venue, times `10**SCALE`; venues differ by up to 0.5 bps."""
        spread = _draw(b"venue", venue, 0) % 101 - 50
        ratio = self._dollars(base) * _ONE // self._dollars(quote)
        return ratio * (_UNIT + spread) // _UNIT

    def _dollars(self, asset: str) -> int:
        return self._anchors[asset] * (_UNIT + self._offsets[asset]) // _UNIT


def _draw(seed: bytes, name: str, number: int) -> int:
    """A number that looks random and is the same on every machine."""
    return int.from_bytes(hashlib.blake2b(b"%b|%b|%d" % (seed, name.encode(), number)).digest()[:8])


def spell(units: int, scale: int, decimals: int) -> str:
    """Decimal text of `units / 10**scale` cut to `decimals`, trailing zeros kept.

    `spell(181_234, 2, 1)` is `1812.3`.
    """
    cut = units * 10**decimals // 10**scale
    whole, fraction = divmod(cut, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}" if decimals else str(whole)


def digits(units: int, scale: int) -> int:
    """Decimals that show a price of this size to seven digits or better, 1 to 8."""
    return min(8, max(1, 7 - len(str(units // 10**scale))))
