import pytest

from enclave.domain.errors import ConfigError
from enclave.sources.paths import MAX_STEPS, NotFound, compile_path, find
from enclave.sources.strict_json import decode

DOCUMENT = decode(
    b"""{"a": {"b-1": [10, 20, [30]], "it's": 1, "x/y": 2, "m~n": 3, "": 4, "0": 5, "q\\"": 6},
    "list": [[], {}], "null": null, "text": "abc", "007": 7}"""
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DOCUMENT),
        ("$.a.b-1[0]", "10"),
        ("$.a.b-1[-1][0]", "30"),
        ("$.a.b-1[-3]", "10"),
        ("$['a']['b-1'][1]", "20"),
        ('$["a"]["it\'s"]', "1"),
        (r"$['a']['it\'s']", "1"),
        (r'$.a["q\""]', "6"),
        ("$.a['x/y']", "2"),
        ("$.a.0", "5"),
        ("$.007", "7"),
        ("$.null", None),
        ("$.list[0]", []),
        ("/a/b-1/0", "10"),
        ("/a/b-1/2/0", "30"),
        ("/a/it's", "1"),
        ("/a/x~1y", "2"),
        ("/a/m~0n", "3"),
        ("/a/", "4"),
        ("/a/0", "5"),
        ("/007", "7"),
    ],
)
def test_a_path_leads_to_its_value(path: str, value: object) -> None:
    assert find(DOCUMENT, compile_path(path)) == value


@pytest.mark.parametrize(
    ("path", "is_empty_array"),
    [
        ("$.b", False),
        ("$.a.b-1[3]", False),
        ("$.a.b-1[-4]", False),
        ("$.a.b-1.length", False),
        ("$.a[0]", False),
        ("$[0]", False),
        ("$.text[0]", False),
        ("$.text.a", False),
        ("$.null.a", False),
        ("$.list[0][0]", True),
        ("$.list[0][-1]", True),
        ("$.list[0].a", True),
        ("$.list[1].a", False),
        ("/a/b-1/3", False),
        ("/a/b-1/-", False),
        ("/a/b-1/-1", False),
        ("/a/b-1/00", False),
        ("/list/0/0", True),
        ("/", False),
    ],
)
def test_a_path_that_leads_nowhere_says_so(path: str, is_empty_array: bool) -> None:
    with pytest.raises(NotFound) as caught:
        find(DOCUMENT, compile_path(path))
    assert caught.value.is_empty_array is is_empty_array
    assert caught.value.text == f"nothing at {path}"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "price",
        ".price",
        "$price",
        "$.",
        "$..price",
        "$.*",
        "$[*]",
        "$[0:1]",
        "$[?@.a]",
        "$[0,1]",
        "$['a','b']",
        "$['a",
        "$[a]",
        "$['']",
        r"$['a\b']",
        "$[01]",
        "$[-0]",
        "$[1000000]",
        "$[٣]",
        "$.préis",
        "$.a b",
        "$[0]x",
        "/a~2",
        "/a~",
        "$" + "[0]" * (MAX_STEPS + 1),
        "/a" * (MAX_STEPS + 1),
    ],
)
def test_other_notations_are_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="path"):
        compile_path(path)
