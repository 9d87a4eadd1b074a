"""A report is read field by field; what AMD wants zero is zero, or it is refused."""

from dataclasses import fields
from typing import Any

import pytest

from oracle.attestation.codecs.snp_report import (
    FIELDS,
    ProductLine,
    line_of,
    parse_report,
    tcb_components,
)
from oracle.attestation.findings import Malformed
from oracle.devnet.silicon.amd import GENOA, MILAN, TURIN, Levels, Line
from tests.fakes.amd import hwid, make_report

TAIL = bytes(range(48)) + bytes(24) + bytes(range(48, 96)) + bytes(24) + bytes(368)


def _raw(line: Line = MILAN, version: int = 3, changes: dict[int, bytes] | None = None) -> bytes:
    raw = bytearray(make_report(line, version).encode() + TAIL)
    for offset, part in (changes or {}).items():
        raw[offset : offset + len(part)] = part
    return bytes(raw)


def test_every_field_is_read_from_its_place() -> None:
    # Every byte that may be other than zero differs from its neighbours.
    signed = bytearray(bytes((7 * at + at // 256) % 256 for at in range(672)))
    for start, end in (
        (0x4C, 0x50),
        (0x18B, 0x1A0),
        (0x1EB, 0x1EC),
        (0x1EF, 0x1F0),
        (0x208, 0x2A0),
    ):
        signed[start:end] = bytes(end - start)
    signed[:4], signed[0x34:0x38], signed[0x48:0x4C] = b"\5\0\0\0", b"\1\0\0\0", b"\x07\0\0\0"
    raw = bytes(signed) + TAIL
    report = parse_report(raw)

    def number(start: int, size: int) -> int:
        return int.from_bytes(raw[start : start + size], "little")

    wanted: dict[str, Any] = {
        "version": 5,
        "guest_svn": number(0x004, 4),
        "policy": number(0x008, 8),
        "family_id": raw[0x010:0x020],
        "image_id": raw[0x020:0x030],
        "vmpl": number(0x030, 4),
        "signature_algo": 1,
        "current_tcb": number(0x038, 8),
        "platform_info": number(0x040, 8),
        "key_info": 7,
        "report_data": raw[0x050:0x090],
        "measurement": raw[0x090:0x0C0],
        "host_data": raw[0x0C0:0x0E0],
        "id_key_digest": raw[0x0E0:0x110],
        "author_key_digest": raw[0x110:0x140],
        "report_id": raw[0x140:0x160],
        "report_id_ma": raw[0x160:0x180],
        "reported_tcb": number(0x180, 8),
        "cpuid_fam_id": raw[0x188],
        "cpuid_mod_id": raw[0x189],
        "cpuid_step": raw[0x18A],
        "chip_id": raw[0x1A0:0x1E0],
        "committed_tcb": number(0x1E0, 8),
        "current_build": raw[0x1E8],
        "current_minor": raw[0x1E9],
        "current_major": raw[0x1EA],
        "committed_build": raw[0x1EC],
        "committed_minor": raw[0x1ED],
        "committed_major": raw[0x1EE],
        "launch_tcb": number(0x1F0, 8),
        "launch_mit_vector": number(0x1F8, 8),
        "current_mit_vector": number(0x200, 8),
        "signature_r": raw[0x2A0:0x2E8],
        "signature_s": raw[0x2E8:0x330],
        "signed": raw[:0x2A0],
    }
    assert {each.name: getattr(report, each.name) for each in fields(report)} == wanted
    assert (report.is_author_key_used, report.is_chip_key_masked, report.signing_key) == (
        True,
        True,
        1,
    )


@pytest.mark.parametrize("version", [2, 3, 5])
def test_versions_2_3_and_5_are_read(version: int) -> None:
    report = parse_report(_raw(version=version))
    assert report.version == version
    assert (report.signing_key, report.is_author_key_used, report.is_chip_key_masked) == (
        0,
        False,
        False,
    )


@pytest.mark.parametrize("size", [0, 4, 672, 1183, 1185])
def test_a_report_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(Malformed) as caught:
        parse_report(_raw().ljust(size, b"\0")[:size])
    assert caught.value.seen == f"{size} bytes"


@pytest.mark.parametrize(
    ("offset", "part", "subject"),
    [
        (0x000, b"\0", "VERSION"),
        (0x000, b"\1", "VERSION"),
        (0x000, b"\4", "VERSION"),
        (0x000, b"\6", "VERSION"),
        (0x003, b"\1", "VERSION"),
        (0x034, b"\0", "SIGNATURE_ALGO"),
        (0x034, b"\2", "SIGNATURE_ALGO"),
        (0x048, b"\x20", "KEY_INFO"),
        (0x04B, b"\x80", "KEY_INFO"),
    ],
)
def test_other_versions_algorithms_and_bits_are_refused(
    offset: int, part: bytes, subject: str
) -> None:
    with pytest.raises(Malformed) as caught:
        parse_report(_raw(changes={offset: part}))
    assert caught.value.subject == subject


_ZERO = {
    2: ((0x04C, 4), (0x188, 24), (0x1EB, 1), (0x1EF, 1), (0x1F8, 168), (0x330, 368)),
    3: ((0x04C, 4), (0x18B, 21), (0x1EB, 1), (0x1EF, 1), (0x1F8, 168), (0x330, 368)),
    5: ((0x04C, 4), (0x18B, 21), (0x1EB, 1), (0x1EF, 1), (0x208, 152), (0x330, 368)),
}


@pytest.mark.parametrize("version", [2, 3, 5])
def test_what_a_version_reserves_is_zero_to_the_last_byte(version: int) -> None:
    for start, size in _ZERO[version]:
        for offset in range(start, start + size):
            with pytest.raises(Malformed, match=f"zero in version {version}"):
                parse_report(_raw(version=version, changes={offset: b"\1"}))


def test_what_a_later_version_has_is_read_in_it() -> None:
    changes = {0x188: b"\x19\x01\x02", 0x1F8: b"\3", 0x200: b"\4"}
    report = parse_report(_raw(version=5, changes=changes))
    assert (report.cpuid_fam_id, report.cpuid_mod_id, report.cpuid_step) == (0x19, 1, 2)
    assert (report.launch_mit_vector, report.current_mit_vector) == (3, 4)


def test_the_table_of_fields_fills_the_report() -> None:
    names = [name for name, _, _ in FIELDS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("family", "model", "line"),
    [
        (0x19, 0x00, ProductLine.MILAN),
        (0x19, 0x0F, ProductLine.MILAN),
        (0x19, 0x10, ProductLine.GENOA),
        (0x19, 0x1F, ProductLine.GENOA),
        (0x19, 0xA0, ProductLine.GENOA),
        (0x19, 0xAF, ProductLine.GENOA),
        (0x1A, 0x00, ProductLine.TURIN),
        (0x1A, 0x11, ProductLine.TURIN),
        (0x1A, 0x1F, ProductLine.TURIN),
    ],
)
def test_cpuid_names_the_line(family: int, model: int, line: ProductLine) -> None:
    assert line_of(parse_report(_raw(changes={0x188: bytes((family, model))}))) is line


@pytest.mark.parametrize(
    ("family", "model"), [(0x17, 0x31), (0x18, 0), (0x19, 0x20), (0x19, 0xB0), (0x1A, 0x20)]
)
def test_cpuid_of_another_processor_is_refused(family: int, model: int) -> None:
    with pytest.raises(Malformed) as caught:
        line_of(parse_report(_raw(changes={0x188: bytes((family, model))})))
    assert caught.value.seen == f"{family:#04x} and {model:#04x}"


def test_version_2_names_no_line() -> None:
    assert line_of(parse_report(_raw(version=2))) is None


@pytest.mark.parametrize("line", [MILAN, GENOA, TURIN], ids=lambda line: line.name)
def test_components_are_named_in_each_lines_layout(line: Line) -> None:
    levels = Levels(bootloader=1, tee=2, snp=3, microcode=255, fmc=5 if line is TURIN else 0)
    tcb = int.from_bytes(levels.pack(line), "little")
    found = tcb_components(tcb, ProductLine(line.name))
    assert {key: level for key, level in found.items() if not key.startswith("spl")} == {
        "bootloader": 1,
        "tee": 2,
        "snp": 3,
        "microcode": 255,
    } | ({"fmc": 5} if line is TURIN else {})
    assert [level for key, level in found.items() if key.startswith("spl")] == [0] * (
        3 if line is TURIN else 4
    )


def test_a_masked_chip_is_seen() -> None:
    assert not parse_report(_raw()).is_chip_masked
    assert parse_report(_raw(changes={0x1A0: bytes(64)})).is_chip_masked
    assert parse_report(_raw(TURIN)).chip_id == hwid(TURIN) + bytes(56)
