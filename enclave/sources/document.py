"""A decoded JSON document: plain Python values, numbers kept as they were spelled."""

from typing import TypeAlias


class Number(str):
    """The spelling of a JSON number; told apart from text by its type."""

    __slots__ = ()


#: Numbers are `Number`, which is a kind of `str`.
Value: TypeAlias = "bool | str | list[Value] | dict[str, Value] | None"
