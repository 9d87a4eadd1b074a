"""A policy in TOML: every key, and every way to get one wrong."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from enclave.domain.errors import ConfigError
from oracle.attestation.appraisal.policy import BANNED_PRODUCT_LINES, Policy, ReferenceImage
from oracle.attestation.appraisal.policy_file import (
    _KEYS,
    MAX_MARKS,
    MAX_POLICY,
    parse_policy,
)
from oracle.attestation.claims import Tee
from oracle.attestation.evidence import EvidenceFormat
from oracle.attestation.tees import MODULES

WHOLE = """
tees = ["tdx", "snp"]
formats = ["tdx-quote"]
debug = "allow"
platform_ids = ["0a0b"]
issuers = ["https://issuer"]
audience = "me"
report_data = "07"
report_data_prefix = "08"
user_data = "09"
maximum_age_s = 3600
minimum_validity_s = 60

[tcb]
statuses = ["UpToDate", "SWHardeningNeeded"]
advisories = ["INTEL-SA-00615"]
denied_advisories = ["INTEL-SA-00001"]
minimum_evaluation_number = 18
[tcb.minimum.Genoa]
microcode = 84

[tdx]
require_sept_ve_disable = false
require_mrservicetd_zero = false

[intel]
require_production_attributes = false

[snp]
vmpls = [0]
allow_migration_agent = true
require_policy_bit_17 = false
allow_smt = false
banned_product_lines = ["Milan", "Rome"]

[tpm]
require_nonce = false

[[image]]
name = "node 1.2"
mrtd = "0102"
"vtpm/pcr4" = "03"
"""


def test_every_key_is_read() -> None:
    read = parse_policy(WHOLE.encode())
    assert read.policy == Policy(
        tees=frozenset({Tee.TDX, Tee.SNP}),
        formats=frozenset({EvidenceFormat.TDX_QUOTE}),
        allow_debug=True,
        statuses=frozenset({"UpToDate", "SWHardeningNeeded"}),
        advisories=frozenset({"INTEL-SA-00615"}),
        denied_advisories=frozenset({"INTEL-SA-00001"}),
        minimum_tcb={"Genoa": {"microcode": 84}},
        minimum_evaluation_number=18,
        require_sept_ve_disable=False,
        require_mrservicetd_zero=False,
        require_production_attributes=False,
        vmpls=frozenset({0}),
        allow_migration_agent=True,
        require_policy_bit_17=False,
        allow_smt=False,
        banned_product_lines={
            "Milan": BANNED_PRODUCT_LINES["Milan"],
            "Rome": "the policy bans it",
        },
        require_nonce=False,
        platform_ids=frozenset({b"\x0a\x0b"}),
        issuers=frozenset({"https://issuer"}),
        audience="me",
        report_data=b"\x07",
        report_data_prefix=b"\x08",
        user_data=b"\x09",
        maximum_age_s=3600,
        minimum_validity_s=60,
    )
    assert read.reference_values == (
        ReferenceImage("node 1.2", {"mrtd": b"\x01\x02", "vtpm/pcr4": b"\x03"}),
    )


def test_an_empty_file_is_the_strict_policy() -> None:
    read = parse_policy(b'debug = "refuse"')
    assert read.policy == Policy()
    assert read.reference_values == ()


def test_a_nonce_is_text_or_bytes() -> None:
    assert parse_policy(b'nonce = "7e57"').policy.nonce == b"7e57"
    assert parse_policy(b'nonce_hex = "7e57"').policy.nonce == b"\x7e\x57"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("tee = 1", "tee is not a key; did you mean tees?"),
        ("images = 1", "did you mean image?"),
        ("zzzz = 1", "zzzz is not a key, wanted one of audience, debug"),
        ("[snp]\nvmpl = [0]", "snp.vmpl is not a key; did you mean vmpls?"),
        ("snp = 1", "snp is 1, wanted a table"),
        ('tees = ["sgx2"]', "tees is 'sgx2', wanted one of sgx, tdx"),
        ('tees = "sgx"', "tees is 'sgx', wanted a list"),
        ("tees = [1]", "tees is 1, wanted a text"),
        ('audience = ""', "audience is '', wanted a text"),
        ('debug = "on"', "debug is 'on', wanted"),
        ("maximum_age_s = -1", "maximum_age_s is -1, wanted a whole number"),
        ("maximum_age_s = true", "maximum_age_s is True, wanted a whole number"),
        ("maximum_age_s = 1.5", "maximum_age_s is 1.5, wanted a whole number"),
        ('report_data = "0"', "report_data is '0', wanted bytes"),
        ('platform_ids = ["xy"]', "platform_ids is 'xy', wanted bytes"),
        ('nonce_hex = "00"\nnonce = "a"', "nonce says again"),
        ("[tdx]\nrequire_sept_ve_disable = 0", "require_sept_ve_disable is 0, wanted true"),
        ("[snp]\nvmpls = []", "snp.vmpls is [], wanted a list of privilege levels"),
        ("[snp]\nvmpls = [4]", "snp.vmpls is [4], wanted a list of privilege levels"),
        ("[tcb]\nminimum = 1", "tcb.minimum is 1, wanted tables"),
        ("[tcb.minimum]\nsnp = 1", "tcb.minimum.snp is 1, wanted numbers"),
        ('[tcb.minimum.snp]\nbl = "1"', "tcb.minimum.snp.bl is '1', wanted a whole number"),
        ("image = 1", "image is 1, wanted tables"),
        ("image = [1]", "image is [1], wanted tables"),
        ('[[image]]\nmrtd = "00"', "image[0].name is None, wanted a text"),
        ('[[image]]\nname = "a"', "image[0] is {'name': 'a'}, wanted at least one register"),
        ('[[image]]\nname = "a"\nmrtd = 1', "image[0].mrtd is 1, wanted a text"),
        ("tees = [", "policy is not TOML"),
        ("x = " + "[" * 2_000, "policy is not TOML"),
        ("k" * 1_000 + " = 1", f"policy: {'k' * 64} is not a key"),
    ],
)
def test_anything_else_is_named(text: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_policy(text.encode())
    assert wanted in str(caught.value)


def test_text_that_is_not_utf_8_and_long_files_are_refused() -> None:
    with pytest.raises(ConfigError, match="not TOML"):
        parse_policy(b"\xff")
    with pytest.raises(ConfigError, match="wanted at most"):
        parse_policy(b"#" * (MAX_POLICY + 1))


def test_the_largest_policy_is_read_and_one_byte_or_mark_more_is_refused() -> None:
    marks = b"platform_ids = [" + b'"00",' * (MAX_MARKS - 2) + b"]"
    largest = marks + b" " * (MAX_POLICY - len(marks))
    assert parse_policy(largest).policy.platform_ids == {b"\0"}
    with pytest.raises(ConfigError, match=f"{MAX_POLICY + 1} bytes, wanted at most {MAX_POLICY}"):
        parse_policy(largest + b" ")
    seen = f"{MAX_MARKS + 1} of the marks .,=[{{, wanted at most {MAX_MARKS}"
    with pytest.raises(ConfigError, match=re.escape(seen)):
        parse_policy(marks + b"#,")


def test_a_policy_of_many_machines_and_images_is_far_below_the_bounds() -> None:
    machines = ",\n".join(f'"{number:0128x}"' for number in range(200))
    names = ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3")
    registers = "".join(f"{name} = '{'ab' * 48}'\n" for name in names)
    images = "".join(f'[[image]]\nname = "release {number}"\n{registers}' for number in range(50))
    text = f"platform_ids = [{machines}]\n{images}".encode()
    assert sum(text.count(mark) for mark in b".,=[{") < MAX_MARKS / 2
    read = parse_policy(text)
    assert (len(read.policy.platform_ids), len(read.reference_values)) == (200, 50)


def _readme() -> str:
    return (Path(__file__).parents[4] / "oracle/attestation/README.md").read_text()


def test_the_policy_in_the_documentation_has_every_key_and_is_read() -> None:
    text = _readme().partition("```toml\n")[2].partition("```")[0]
    for placeholder, value in (("<hex>", "00"), ("<text>", "a"), ("https://…", "https://a")):
        text = text.replace(placeholder, value)
    parse_policy(text.encode())
    absent = [key for key in _keys(_KEYS) if f"\n{key} = " not in f"\n{text}"]
    assert absent == ["nonce_hex", "minimum"]
    assert "nonce_hex" in text
    assert "[tcb.minimum." in text


def _keys(table: dict[str, Any]) -> Iterator[str]:
    for key, known in table.items():
        if isinstance(known, dict):
            yield from _keys(known)
        else:
            yield key


def test_every_platform_is_in_the_documentation() -> None:
    table = _readme().partition("## Platforms")[2].partition("## Policy")[0]
    rows = [line for line in table.splitlines() if line.startswith("| **")]
    assert [f"`{name}`" for name in set(MODULES.values()) if f"`{name}`:" not in table] == []
    assert len(rows) == len(MODULES)
    assert all(row.count(" | ") == 5 for row in rows)


def test_a_key_of_many_parts_is_refused_before_it_takes_memory() -> None:
    assert parse_policy(b"tcb.minimum.snp.snp = 1\n").policy.minimum_tcb
    with pytest.raises(ConfigError, match="dots or more in line 2, wanted fewer"):
        parse_policy(b"\n" + b"a." * 2_000 + b"b = 1\n")
