"""What a reply without a price means: whether to ask again, in our own words.

A venue's text decides the class and is not repeated: it may hold keys, and the host reads what
the enclave says.
"""

import re
from collections.abc import Iterator
from itertools import islice

from enclave.domain.errors import SourceError, SourceMalformed, SourceUnavailable
from enclave.sources.document import Value

_RETRY_STATUS = frozenset((408, 418, 425, 429))
_STATUS_TEXT = {
    401: "the venue wants a key",
    403: "the venue refuses this client",
    404: "no such symbol or endpoint",
    408: "the venue timed out",
    418: "banned for a while after too many requests",
    429: "rate limited",
    451: "the venue does not serve this place",
}
#: Most texts looked at, longest part of each, deepest nesting, most members of one object.
_MAX_TEXTS, _MAX_TEXT, _MAX_DEPTH, _MAX_MEMBERS = 64, 512, 4, 1_024

#: Names under which venues explain themselves, letters only, lower case.
_EXPLAINS = re.compile(
    r".*err.*|.*msg|.*message|info|information|notes?|reason|details?|description", re.ASCII
)
#: Names whose whole content explains.
_HOLDS_ERRORS = re.compile(r".*error.*|errs?", re.ASCII)
_SERVER_ERROR = re.compile(r"5[0-9]{2}", re.ASCII)
_CODE = re.compile(r".*code|status", re.ASCII)
_FINE = frozenset(("", "0", "ok", "success", "none", "null", "false"))

_RESTRICTED = re.compile(r"restricted location|your (country|region|location)", re.ASCII)
_RATE = re.compile(
    r"rate.?limit|too many|too.?frequent|throttl|call frequency"
    r"|(calls|requests|visits) per (second|minute|hour|day)|limit.{0,3}(reached|exceeded)"
    r"|exceeded.{0,40}limit|quota|run out of",
    re.ASCII,
)
_DOWN = re.compile(
    r"unavailable|maintenance|temporar|overload|busy|timed?.?out|try again|server error"
    r"|internal error|system error|upgrad",
    re.ASCII,
)
_UNKNOWN = re.compile(
    r"unknown|invalid|not.?support|unsupported|(not|n.t) (exist|found|valid)|no such|not.?found",
    re.ASCII,
)


def unavailable(text: str) -> SourceUnavailable:
    """No price now."""
    return SourceUnavailable(f"{text}; ask again later")


def refused(text: str) -> SourceMalformed:
    """No price, and no reason to expect one."""
    return SourceMalformed(f"{text}; asking again unchanged will not help")


def check_status(status: int) -> None:
    """Accept HTTP 200 only.

    Raises:
        SourceUnavailable: Rate limits, time-outs, server errors, success without content.
        SourceMalformed: Every other status; redirects are not followed.
    """
    if status == 200:
        return
    text = f"HTTP {status}: {_STATUS_TEXT.get(status, _status_class(status))}"
    if status in _RETRY_STATUS or status >= 500 or 200 < status < 300:
        raise unavailable(text)
    raise refused(text)


def _status_class(status: int) -> str:
    if status >= 500:
        return "error at the venue"
    if status >= 400:
        return "the venue refuses the request"
    if status >= 300:
        return "a redirect, which is not followed"
    return "no answer with content"


def explain(document: Value, otherwise: SourceError) -> SourceError:
    """The error for a document without a usable price.

    Args:
        document: What the venue sent with HTTP 200.
        otherwise: The error if the document does not explain itself.
    """
    texts = [text.casefold() for text in _explanations(document)]
    if not texts:
        return otherwise
    said = "\n".join(texts)
    if _RESTRICTED.search(said):
        return refused("the venue does not serve this place")
    if _RATE.search(said):
        return unavailable("the venue reports a rate limit")
    if _DOWN.search(said):
        return unavailable("the venue reports that it is out of service")
    if _UNKNOWN.search(said):
        return refused("the venue reports an invalid request or an unknown symbol")
    return refused("the venue reports an error")


def _explanations(document: Value) -> list[str]:
    found: list[str] = []
    for text in _texts(document):
        if text.casefold() not in _FINE:
            found.append(text[:_MAX_TEXT])
            if len(found) == _MAX_TEXTS:
                break
    return found


def _texts(document: Value) -> Iterator[str]:
    """Texts that explain; the texts of an outermost array are such, its rows are not."""
    if isinstance(document, list):
        for item in document[:_MAX_TEXTS]:
            yield from _walk(item, named=isinstance(item, str), depth=1)
    else:
        yield from _walk(document, named=False, depth=0)


def _walk(value: Value, *, named: bool, depth: int) -> Iterator[str]:
    """Texts under explaining names, and codes that repeat an HTTP status."""
    if isinstance(value, dict) and depth < _MAX_DEPTH:
        for name, member in islice(value.items(), _MAX_MEMBERS):
            yield from _member(name, member, named=named, depth=depth)
    elif isinstance(value, list) and depth < _MAX_DEPTH:
        for item in value[:_MAX_TEXTS]:
            yield from _walk(item, named=named, depth=depth + 1)
    elif isinstance(value, str) and named:
        yield value


def _member(name: str, member: Value, *, named: bool, depth: int) -> Iterator[str]:
    letters = "".join(filter(str.isalpha, name.casefold()))
    if _CODE.fullmatch(letters) and isinstance(member, str):
        yield from _status_words(member)
    explaining = _EXPLAINS if isinstance(member, str) else _HOLDS_ERRORS
    named = named or explaining.fullmatch(letters) is not None
    yield from _walk(member, named=named, depth=depth + 1)


def _status_words(code: str) -> Iterator[str]:
    """The words for a code in the body that repeats an HTTP status worth retrying."""
    if code in ("418", "429"):
        yield "rate limit"
    elif _SERVER_ERROR.fullmatch(code):
        yield "server error"
