"""Bounds on the shape of the code: sizes, no floats on the value path, a test for every module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_LONGEST_FUNCTION = 45
_LONGEST_FILE = 400
_MODULES = sorted(path for name in ("enclave", "oracle") for path in (_ROOT / name).rglob("*.py"))
_ENCLAVE = [path for path in _MODULES if path.is_relative_to(_ROOT / "enclave")]
_VALUE_PATH = [
    path
    for path in _ENCLAVE
    if path.parent.name in ("domain", "sources") or path.name in ("aggregate.py", "signer.py")
]


def _name(path: Path) -> str:
    return str(path.relative_to(_ROOT))


def _function_sizes(source: str) -> Iterator[tuple[str, int]]:
    """Name and number of lines of every function, without its docstring."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documentation = ast.get_docstring(node, clean=False)
            spoken = documentation.count("\n") + 1 if documentation else 0
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1 - spoken


def _floats(source: str) -> Iterator[str]:
    """Whatever makes a binary floating-point number: a literal, float(), the division `/`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=float() as value):
                yield f"line {node.lineno}: literal {value}"
            case ast.Call(func=ast.Name(id="float")):
                yield f"line {node.lineno}: float()"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield f"line {node.lineno}: division"


@pytest.mark.parametrize("path", _MODULES, ids=_name)
def test_functions_and_files_are_short(path: Path) -> None:
    source = path.read_text()
    assert source.count("\n") <= _LONGEST_FILE
    long = [(name, size) for name, size in _function_sizes(source) if size > _LONGEST_FUNCTION]
    assert not long


@pytest.mark.parametrize("path", _VALUE_PATH, ids=_name)
def test_the_value_path_makes_no_float(path: Path) -> None:
    assert not list(_floats(path.read_text()))


def test_the_value_path_is_found() -> None:
    assert {"feed.py", "aggregate.py", "http_json.py"} <= {path.name for path in _VALUE_PATH}


@pytest.mark.parametrize("source", ["x = 1.5", "x = float(y)", "x = 1 / 3", "x /= 2", "x = 1e3"])
def test_each_way_to_make_a_float_is_seen(source: str) -> None:
    assert len(list(_floats(source))) == 1


def _does_something(source: str) -> bool:
    """Whether any function has a body; mere declarations (protocols, errors) have no tests."""
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return any(
        not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for function in functions
        for statement in function.body
    )


@pytest.mark.parametrize(
    "path",
    [path for path in _ENCLAVE if path.name != "__init__.py" and _does_something(path.read_text())],
    ids=_name,
)
def test_every_module_of_the_enclave_has_its_test_file(path: Path) -> None:
    folder = _ROOT / "tests" / path.relative_to(_ROOT).parent
    if (folder / f"test_{path.stem.strip('_')}.py").is_file():
        return
    # The venues' adapters share one table of bodies; each must stand in it by its name.
    assert path.parent.name == "sources"
    assert f'"{path.stem}/1"' in (folder / "test_venues.py").read_text()


def test_no_room_is_called_after_nothing() -> None:
    forbidden = {"utils", "util", "common", "helpers", "misc"}
    assert not [_name(path) for path in _MODULES if forbidden & {path.stem, *path.parts}]
