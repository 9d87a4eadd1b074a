"""The form of a command's result."""

from enum import StrEnum


class Output(StrEnum):
    """Form of the result."""

    TEXT = "text"
    JSON = "json"
