"""`http_json/1`: a JSON source said entirely in its definition.

Parameters, all present, all text but `require`; empty text means "not stated":

    host         DNS name, `:port` appended unless 443
    path         path and query; `{base}`, `{quote}` and their lower-case forms `{base_lower}`,
                 `{quote_lower}` stand for the source's own symbols
    price        path (see `paths`) of the last price; if empty, the exact middle of bid and ask
    bid, ask     paths of the best bid and ask
    time         path of the source's own time
    time_format  s, ms, us, ns, iso8601, utc, date; empty without a time
    scale        power of ten that the stated numbers are multiplied with, such as "-8"
    require      list of {path, equals}: what the document must say for the price to count;
                 `equals` is the text, the spelling of the number, or a boolean
    auth         "none"; other values are refused until sealed keys exist

A required value that is another one is `SourceUnavailable` (the venue withdraws the price for now)
unless the document explains itself with an error that lasts.
"""

import re

from enclave.domain.errors import ConfigError
from enclave.domain.feed import Json, SourceSpec
from enclave.domain.observation import Quote
from enclave.sources.base import HttpRequest, check_params, text_param
from enclave.sources.document import Number, Value
from enclave.sources.failures import check_status, explain, unavailable
from enclave.sources.paths import NotFound, compile_path, find
from enclave.sources.shape import Shape, lacking, make_shape
from enclave.sources.strict_json import decode

MAX_REQUIREMENTS = 8

_TEXT = re.compile(r"[ -~]{0,512}", re.ASCII)
_SCALE = re.compile(r"0|-?[1-9][0-9]?", re.ASCII)
_SLOT = re.compile(r"\{([a-z_]*)\}", re.ASCII)
_PARAMS = (
    "host",
    "path",
    "price",
    "bid",
    "ask",
    "time",
    "time_format",
    "scale",
    "require",
    "auth",
)


class HttpJson:
    """See the module."""

    name = "http_json/1"

    def request(self, spec: SourceSpec) -> HttpRequest:
        """Check every parameter and fill in the path."""
        check_params(spec, *_PARAMS)
        if spec.params["auth"] != "none":
            # What stands there may be a key, which belongs into no definition and no error.
            raise ConfigError(
                f"source {spec.name}: params.auth is not 'none': keys have no place yet"
            )
        for name in _PARAMS:
            if name != "require":
                text_param(spec, name, _SCALE if name == "scale" else _TEXT)
        _requirements(spec)
        try:
            _shape(spec)
            return HttpRequest(host=str(spec.params["host"]), path=_fill(spec))
        except ConfigError as error:
            raise ConfigError(f"source {spec.name}: {error}") from error

    def parse(self, spec: SourceSpec, status: int, body: bytes) -> Quote:
        """Read the values at the paths after everything required holds."""
        check_status(status)
        document = decode(body)
        for path, wanted in _requirements(spec):
            _require(document, path, wanted)
        return _shape(spec).read(document)


def _shape(spec: SourceSpec) -> Shape:
    params = spec.params
    return make_shape(
        price=str(params["price"]),
        bid=str(params["bid"]),
        ask=str(params["ask"]),
        time=str(params["time"]),
        time_format=str(params["time_format"]),
        exponent=int(str(params["scale"])),
    )


def _fill(spec: SourceSpec) -> str:
    slots = {
        "base": spec.base,
        "quote": spec.quote,
        "base_lower": spec.base.lower(),
        "quote_lower": spec.quote.lower(),
    }
    path = str(spec.params["path"])
    unknown = sorted(set(_SLOT.findall(path)) - slots.keys())
    if unknown:
        raise ConfigError(f"path names unknown slots {unknown}, wanted {sorted(slots)}")
    return _SLOT.sub(lambda match: slots[match[1]], path)


def _requirements(spec: SourceSpec) -> list[tuple[str, str | bool]]:
    """The `require` parameter, checked."""
    entries = spec.params["require"]
    if not isinstance(entries, list) or len(entries) > MAX_REQUIREMENTS:
        raise ConfigError(
            f"source {spec.name}: params.require is not a list of at most {MAX_REQUIREMENTS}"
        )
    return [_requirement(spec, entry) for entry in entries]


def _requirement(spec: SourceSpec, entry: Json) -> tuple[str, str | bool]:
    if isinstance(entry, dict) and entry.keys() == {"path", "equals"}:
        path, wanted = entry["path"], entry["equals"]
        if isinstance(path, str) and isinstance(wanted, str | bool):
            compile_path(path)
            return path, wanted
    raise ConfigError(f"source {spec.name}: params.require holds {entry!r}, wanted path and equals")


def _require(document: Value, path: str, wanted: str | bool) -> None:
    try:
        seen = find(document, compile_path(path))
    except NotFound as missing:
        raise lacking(document, missing) from missing
    if type(seen) is Number:
        seen = str(seen)
    if type(seen) is not type(wanted) or seen != wanted:
        raise explain(document, unavailable(f"{path} is not {wanted!r} as required"))
