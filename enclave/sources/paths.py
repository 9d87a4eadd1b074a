"""Where a value lies in a JSON document: JSON Pointer, or a small part of JSONPath.

A text that begins with `/` is a JSON Pointer (RFC 6901). One that begins with `$` is of the part
`$ .name ['name'] [n] [-n]` of JSONPath (RFC 9535): no wildcards, filters or slices, so it names at
most one value. Names after a dot are ASCII letters, digits, `_` and `-`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from enclave.domain.errors import ConfigError
from enclave.sources.document import Value

MAX_STEPS = 16

_STEP = re.compile(
    r"\.(?P<name>[A-Za-z0-9_-]+)"
    r"|\['(?P<single>(?:[^'\\]|\\['\\])+)'\]"
    r'|\["(?P<double>(?:[^"\\]|\\["\\])+)"\]'
    r"|\[(?P<index>0|-?[1-9][0-9]{0,5})\]",
    re.ASCII,
)
_ESCAPE = re.compile(r"\\(.)")
_TOKEN = re.compile(r"(?:[^~/]|~[01])*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}", re.ASCII)


class _Token(str):
    """A pointer's token that also is an index, if it meets an array."""

    __slots__ = ()


Step = str | int


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path.

    Attributes:
        text: As written.
        steps: Names and indexes, outermost first.
    """

    text: str
    steps: tuple[Step, ...]


class NotFound(LookupError):
    """A path leads nowhere in a document.

    Attributes:
        text: What is missing.
        is_empty_array: Whether the way ended at an array without elements.
    """

    def __init__(self, text: str, *, is_empty_array: bool) -> None:
        super().__init__(text)
        self.text = text
        self.is_empty_array = is_empty_array


@lru_cache(maxsize=4_096)
def compile_path(text: str) -> Path:
    """Read a path as written.

    Raises:
        ConfigError: Neither of the two notations, or more than 16 steps.
    """
    if text.startswith("/"):
        steps = _pointer_steps(text)
    elif text.startswith("$"):
        steps = _jsonpath_steps(text)
    else:
        raise ConfigError(f"path is {text!r}, wanted a JSON Pointer (/…) or JSONPath ($…)")
    if len(steps) > MAX_STEPS:
        raise ConfigError(f"path {text!r} has {len(steps)} steps, wanted at most {MAX_STEPS}")
    return Path(text, steps)


def find(document: Value, path: Path) -> Value:
    """The value at a path.

    Raises:
        NotFound: There is none.
    """
    value = document
    for step in path.steps:
        if isinstance(value, dict):
            if not isinstance(step, str) or step not in value:
                raise NotFound(f"nothing at {path.text}", is_empty_array=False)
            value = value[step]
        elif isinstance(value, list):
            value = _element(value, step, path)
        else:
            raise NotFound(f"nothing at {path.text}", is_empty_array=False)
    return value


def _element(array: list[Value], step: Step, path: Path) -> Value:
    index = int(step) if isinstance(step, _Token) else step
    if isinstance(index, int) and -len(array) <= index < len(array):
        return array[index]
    raise NotFound(f"nothing at {path.text}", is_empty_array=not array)


def _pointer_steps(text: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    for token in text[1:].split("/"):
        if not _TOKEN.fullmatch(token):
            raise ConfigError(f"path {text!r} has a ~ that is neither ~0 nor ~1")
        name = token.replace("~1", "/").replace("~0", "~")
        steps.append(_Token(name) if _INDEX.fullmatch(name) else name)
    return tuple(steps)


def _jsonpath_steps(text: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    at = 1
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ConfigError(f"path {text!r} is not of the form $ .name ['name'] [n] [-n]")
        at = match.end()
        quoted = match["single"] or match["double"]
        if match["index"]:
            steps.append(int(match["index"]))
        else:
            steps.append(_ESCAPE.sub(r"\1", quoted) if quoted else match["name"])
    return tuple(steps)
