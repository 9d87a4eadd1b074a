"""What `scripts/vectors` makes of evidence, on folders made here: what is wrong is called wrong."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from oracle.attestation.appraisal.policy import BANNED_PRODUCT_LINES, Policy
from oracle.devnet.silicon.amd import MILAN, VCEK
from oracle.devnet.silicon.nitro import Request, make_module
from scripts.vector_kinds import main
from scripts.vector_kinds.evidence import DEFAULT
from scripts.vector_kinds.evidence_case import NotACase
from scripts.vector_kinds.evidence_policies import parse_words
from tests.fakes import tpm_evidence as tpm
from tests.fakes.amd import AT as AMD_AT
from tests.fakes.amd import amd_vendor, endorsed_key, make_report, snp_evidence

NOW = datetime(2031, 1, 1, tzinfo=UTC)
PCRS = {0: b"\x01" * 48, 1: b"\x02" * 48, 2: b"\x03" * 48, 4: b"\x04" * 48}
Entry = dict[str, Any]
DEFAULT_BAN = dict(BANNED_PRODUCT_LINES)


@dataclass
class Folder:
    """A TEE's folder, with a manifest."""

    path: Path
    entries: list[Entry] = field(default_factory=list)

    def add(self, file: str, role: str, raw: bytes, **more: Any) -> Entry:
        vector, _, _ = file.partition("/")
        (self.path / vector).mkdir(parents=True, exist_ok=True)
        (self.path / file).write_bytes(raw)
        sha256 = hashlib.sha256(raw).hexdigest()
        made = {"vector": vector, "file": file, "role": role, "kind": "test", "size": len(raw)}
        self.entries.append(made | {"sha256": sha256} | more)
        return self.entries[-1]

    def run(self, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
        (self.path / "manifest.json").write_text(json.dumps(self.entries))
        status = main.main([str(self.path)])
        return status, capsys.readouterr().out.splitlines()


@pytest.fixture(scope="module")
def document() -> tuple[bytes, bytes]:
    """A document and its root in PEM."""
    module = make_module(now=NOW)
    raw = module.document(PCRS, Request(user_data=b"hello", nonce=b"a nonce"), now=NOW)
    return raw, module.root.certificate.public_bytes(Encoding.PEM)


@pytest.fixture
def nitro(tmp_path: Path, document: tuple[bytes, bytes]) -> Folder:
    """One case that is right in everything that it says."""
    folder = Folder(tmp_path / "nitro")
    raw, root = document
    folder.add(
        "good/attestation.bin",
        "evidence",
        raw,
        verifies_at={
            "unix": int(NOW.timestamp()),
            "window": [NOW.isoformat(), "2031-01-01 03:00:00+00:00"],
        },
        expected="accept",
        trust_root="good/root.pem",
        facts={
            "digest": "SHA384",
            "pcrs_nonzero": {str(number): value.hex() for number, value in PCRS.items()},
            "debug_mode": False,
            "nonce": b"a nonce".hex(),
            "asserted_by_source": {"user_data_ascii": "hello", "public_key": "none, said the test"},
        },
        derived_negatives=[
            {"xor_offset": 30, "xor": 1, "expect": "reject"},
            {"truncate": 100, "expect": "reject"},
            {"note": "flip any byte inside the payload bstr", "expect": "reject"},
            {"note": "verify at window end + 1 s", "expect": "reject"},
            {"note": "replace cabundle[0] by another root", "expect": "reject"},
            {"note": "expected user data with last byte 0x01", "expect": "reject"},
            {"note": "another expected nonce", "expect": "reject"},
            {"note": "flip any bit of the signature", "expect": "reject"},
        ],
        expected_under_other_policies=[{"policy": "debug allowed", "expected": "accept"}],
    )
    folder.add("good/root.pem", "trust-root", root)
    return folder


def test_a_case_that_is_right_in_everything_passes(
    nitro: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    status, lines = nitro.run(capsys)
    assert status == 0, lines
    assert [line[:4] for line in lines[:-3]] == ["pass"] * 11
    assert lines[-3:] == ["nitro: 11 right, 0 wrong", "0 not applicable", "11 passed, 0 failed"]
    assert "[facts]  8 as asserted" in lines[1]


def _set(name: str, value: Any) -> Callable[[Entry], None]:
    def change(entry: Entry) -> None:
        *path, last = name.split("/")
        for key in path:
            entry = entry[key]
        entry[last] = value

    return change


def _negative(**described: Any) -> Callable[[Entry], None]:
    return _set("derived_negatives", [described])


def _policy(words: str, expected: str) -> Callable[[Entry], None]:
    return _set("expected_under_other_policies", [{"policy": words, "expected": expected}])


WRONG: list[tuple[str, Callable[[Entry], None], str]] = [
    ("verdict", _set("expected", "reject"), "accept at"),
    ("no verdict", _set("expected", None), "expected is None, wanted one of accept"),
    ("time", _set("verifies_at", {"unix": 5}), "reject at 5, wanted accept: Expired"),
    ("any time", _set("verifies_at", None), "reject at 1500000000, wanted accept"),
    ("no time", _set("verifies_at", {"note": "some day"}), "verifies_at has no moment"),
    ("vendor's root", _set("trust_root", None), "wanted accept: Unsigned"),
    ("no root", _set("trust_root", "good/attestation.bin"), "has no certificate"),
    ("absent root", _set("trust_root", "good/absent"), "FileNotFoundError"),
    ("hash", _set("sha256", "00"), "wanted 00"),
    ("size", _set("size", 1), "bytes, wanted 1"),
    ("file", _set("file", "good/absent"), "FileNotFoundError"),
    ("register", _set("facts/pcrs_nonzero/4", "00" * 48), "pcrs_nonzero.4 is"),
    ("debug", _set("facts/debug_mode", True), "debug_mode is false, wanted True"),
    ("nonce", _set("facts/nonce", "00"), "nonce is"),
    ("text", _set("facts/asserted_by_source/user_data_ascii", "hell"), "wanted 'hell'"),
    ("crypto", _set("expected_crypto_only", "reject"), "accept, wanted reject"),
    ("status", _set("tcb_status", "UpToDate"), "none, wanted UpToDate"),
    ("no level", _set("tcb_status", "no matching level (own)"), "none, wanted no matching level"),
    ("harmless", _negative(xor_offset=30, xor=1, expect="accept"), "reject, wanted accept"),
    ("no change", _negative(xor_offset=30, xor=0), "changes nothing"),
    ("beyond", _negative(xor_offset=10**6, xor=1), "changes nothing"),
    ("not truncated", _negative(truncate=10**6), "nothing changes"),
    ("other change", _negative(insert=3), "derived negative of ['insert'] is not known"),
    ("other words", _negative(note="paint it green"), "worded in no way that is known"),
    ("no such part", _negative(note="change one PCR in pcrs.json"), "is not the registers"),
    ("no such token", _negative(note="flip a byte in the realm payload"), "wrong"),
    (
        "same user data",
        _negative(note="expected user data with last byte 0x6f"),
        "has just this user data",
    ),
    (
        "in time",
        _negative(note="verify at window end + 0 s"),
        "accept, wanted reject: 0 s late: the verifier took it",
    ),
    ("no chain", _negative(note="without the chain"), "there is no chain to leave out"),
    ("same report data", _negative(note="expected report data with last byte 0x6f"), "just this"),
    (
        "early",
        _negative(note="verify at window start - 0 s"),
        "accept, wanted reject: 0 s early: the verifier took it",
    ),
    ("policy", _policy("debug allowed", "reject"), "accept, wanted reject"),
    ("other policy", _policy("be lenient", "accept"), "'be lenient' is no rule that is known"),
]


@pytest.mark.parametrize(("change", "fault"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_whatever_is_wrong_is_called_wrong(
    nitro: Folder,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Entry], None],
    fault: str,
) -> None:
    change(nitro.entries[0])
    status, lines = nitro.run(capsys)
    failed = [line for line in lines if line.startswith("FAIL")]
    assert status == 1, lines
    assert fault == "wrong" or fault in failed[0]
    assert lines[-3].endswith(f" {len(failed)} wrong")
    assert lines[-1].endswith(f" {len(failed)} failed")


def test_either_is_right_both_ways(
    nitro: Folder, document: tuple[bytes, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    nitro.entries[0].update(expected="either", derived_negatives=[])
    nitro.entries[0].update(expected_under_other_policies=[])
    assert nitro.run(capsys)[0] == 0
    nitro.entries[0].update(verifies_at={"unix": 5}, facts={})
    assert nitro.run(capsys)[0] == 0


def test_a_change_to_what_is_refused_anyway_proves_nothing(
    nitro: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    nitro.entries[0].update(verifies_at={"unix": 5}, expected="reject", facts={})
    nitro.entries[0]["expected_under_other_policies"] = []
    status, lines = nitro.run(capsys)
    assert status == 1
    assert [line[:4] for line in lines[:-3]] == ["pass"] + ["FAIL"] * 8
    assert "refused without the change" in lines[1]


def test_files_that_are_stored_in_digits_are_read(
    nitro: Folder, document: tuple[bytes, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    for encoding, text in (
        ("hex", document[0].hex().encode()),
        ("base64url without padding", base64.urlsafe_b64encode(document[0]).rstrip(b"=")),
    ):
        entry = nitro.entries[0]
        (nitro.path / entry["file"]).write_bytes(text)
        entry.update(encoding=encoding, size=len(text), sha256=hashlib.sha256(text).hexdigest())
        assert nitro.run(capsys)[0] == 0


def test_an_unknown_role_is_read_by_content_or_wrong(
    nitro: Folder, document: tuple[bytes, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    nitro.add("good/more.pem", "intermediates-of-some-kind", document[1])
    assert nitro.run(capsys)[0] == 0
    nitro.add("good/noise", "something-new", b"noise")
    status, lines = nitro.run(capsys)
    assert status == 1
    assert "role 'something-new' is unknown, and its content" in lines[0]


@pytest.fixture
def quotes(tmp_path: Path) -> Folder:
    """Two quotes of one TPM, each with signature and registers of its own."""
    folder = Folder(tmp_path / "tpm")
    key = tpm.rsa_key()
    for bank in ("sha256", "sha384"):
        quote = tpm.Quoting(banks={bank: tpm.registers(bank)})
        folder.add(
            f"two/quote_{bank}.msg",
            "evidence",
            quote.attest,
            verifies_at=None,
            expected="accept",
            facts={"extra_data": quote.nonce.hex(), "clock": quote.clock},
            derived_negatives=[{"note": f"change one PCR in pcrs_{bank}.json"}],
        )
        folder.add(f"two/quote_{bank}.sig", "tpm-quote-signature", tpm.sign(key, quote.attest))
        folder.add(f"two/pcrs_{bank}.json", "pcr-values", quote.values)
    folder.add("two/ak.pem", "ak-public", tpm.pem(key))
    folder.add("two/nonce", "nonce", tpm.Quoting().nonce)
    return folder


def test_several_pieces_of_evidence_have_their_own_parts(
    quotes: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    status, lines = quotes.run(capsys)
    assert status == 0, lines
    assert lines[-3] == "tpm: 8 right, 0 wrong"
    assert "reject, 24 times" in lines[3]


def test_parts_that_cannot_be_told_apart_are_wrong(
    quotes: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    for entry in quotes.entries:
        if entry["role"] == "pcr-values":
            named = entry["file"].replace("pcrs_sha", "x")
            (quotes.path / entry["file"]).rename(quotes.path / named)
            entry["file"] = named
    status, lines = quotes.run(capsys)
    assert status == 1
    assert "which pcr-values belongs to two/quote_sha256.msg?" in lines[0]


def test_an_unpinned_key_and_a_foreign_nonce_are_rejected(
    quotes: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    quotes.add("two/nonce2", "nonce", b"another nonce")
    assert "report data is" in quotes.run(capsys)[1][0]
    quotes.entries = [e for e in quotes.entries if e["role"] not in ("nonce", "ak-public")]
    assert "wanted accept: Unsigned" in quotes.run(capsys)[1][0]


@pytest.fixture
def amd(tmp_path: Path) -> Folder:
    """A Milan report, which the README's policy accepts, and a key's certificate alone."""
    folder = Folder(tmp_path / "snp")
    report = snp_evidence(make_report(MILAN)).raw
    vcek, vendor = endorsed_key(MILAN, VCEK).certificate, amd_vendor(MILAN)
    at = {"unix": AMD_AT}
    folder.add(
        "report/report.bin",
        "evidence",
        report,
        verifies_at=at,
        expected="accept",
        trust_root="report/ark.der",
        facts={"version": 3, "product": "milan", "reported_tcb_decoded": {"bl": 4, "ucode": 219}},
        expected_under_other_policies=[
            {"policy": "Milan banned", "expected": "reject"},
            {"policy": "VMPL 1 required", "expected": "reject"},
            {"policy": "SMT not allowed", "expected": "reject"},
        ],
        derived_negatives=[
            {"note": "flip a bit of the signature"},
            {"note": "leave out the chain"},
        ],
    )
    for folder_name in ("report", "alone"):
        folder.add(f"{folder_name}/ark.der", "trust-root", vendor.ark)
        folder.add(f"{folder_name}/ask.der", "chain", vendor.ask)
    folder.add("report/vcek.der", "ek-certificate", vcek)
    folder.add(
        "alone/vcek.der",
        "ek-certificate",
        vcek,
        expected="accept",
        verifies_at={"any_time_between": ["2031-05-01", "2031-07-01"]},
        trust_root="alone/ark.der",
        facts={"ek_extensions": {"bl": 4, "ucode": 219, "product": "Milan-B0"}},
    )
    return folder


def test_amds_reports_and_certificates_alone(
    amd: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    status, lines = amd.run(capsys)
    assert status == 0, lines
    assert lines[-3] == "snp: 9 right, 0 wrong"
    amd.entries[-1]["facts"]["ek_extensions"]["ucode"] = 220
    assert "ucode is 219, wanted 220" in "".join(amd.run(capsys)[1])
    amd.entries[-1]["trust_root"] = None
    assert "alone/vcek.der  reject, wanted accept: step" in "".join(amd.run(capsys)[1])


def test_collateral_of_which_nothing_can_be_checked_is_wrong(
    tmp_path: Path, document: tuple[bytes, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Folder(tmp_path / "sgx")
    folder.add("only/notes.json", "collateral", b"{}")
    folder.add("only/root.pem", "chain", document[1])
    status, lines = folder.run(capsys)
    assert status == 1
    assert lines[0].startswith("FAIL  sgx/only/notes.json")


def test_recorded_roots_are_those_of_the_package(
    tmp_path: Path, document: tuple[bytes, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.pem").write_bytes(document[1])
    manifest = {"roots": [{"file": "own.pem", "sha256_fingerprint_der": "00"}, {"file": "absent"}]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert main.main([str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line[:4] for line in lines[:3]] == ["FAIL"] * 3
    assert "wanted 00" in lines[0]
    assert "FileNotFoundError" in lines[1]
    assert "of which not recorded" in lines[2]


def test_another_vendors_root_that_is_not_packaged_is_wrong(
    tmp_path: Path, document: tuple[bytes, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    from oracle.cli.attest_files import sort_file

    (tmp_path / "own.pem").write_bytes(document[1])
    sha256 = hashlib.sha256(sort_file(document[1])[0].raw).hexdigest()
    manifest = {"roots": [{"file": "own.pem", "sha256_fingerprint_der": sha256}]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    main.main([str(tmp_path)])
    line = capsys.readouterr().out.splitlines()[0]
    assert line.endswith("own.pem  a root, not in the package")
    assert line.startswith("FAIL")


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("TCB status OutOfDate allowed", {"statuses": {"UpToDate", "OutOfDate"}}),
        (
            "SWHardeningNeeded or ConfigurationNeeded allowed",
            {"statuses": {"UpToDate", "SWHardeningNeeded", "ConfigurationNeeded"}},
        ),
        (
            "SWHardeningNeeded allowed but advisory INTEL-SA-00615 denied",
            {
                "statuses": {"UpToDate", "SWHardeningNeeded"},
                "denied_advisories": {"INTEL-SA-00615"},
            },
        ),
        ("only advisories INTEL-SA-1 allowed", {"advisories": {"INTEL-SA-1"}}),
        ("advisory INTEL-SA-1 allowed", {"advisories": {"INTEL-SA-1"}}),
        ("no advisories allowed", {"advisories": set()}),
        ("debug allowed", {"allow_debug": True}),
        ("VMPL 0 required", {"vmpls": {0}}),
        ("requires VMPL 0", {"vmpls": {0}}),
        ("any VMPL", {"vmpls": {0, 1, 2, 3}}),
        ("MIGRATE_MA allowed", {"allow_migration_agent": True}),
        ("SMT denied", {"allow_smt": False}),
        ("SEPT_VE_DISABLE not required", {"require_sept_ve_disable": False}),
        ("MRSERVICETD ignored", {"require_mrservicetd_zero": False}),
        ("nonce not required", {"require_nonce": False}),
        ("nonce 7e57 expected", {"nonce": b"7e57"}),
        ("audience https://oracle.example required", {"audience": "https://oracle.example"}),
        ("Milan not accepted", {"banned_product_lines": DEFAULT_BAN}),
        ("minimum evaluation number 18", {"minimum_evaluation_number": 18}),
    ],
)
def test_policies_in_words(words: str, changed: dict[str, Any]) -> None:
    policy = parse_words(words, DEFAULT)
    seen = {
        name: getattr(policy, name)
        for name in Policy.__dataclass_fields__
        if getattr(policy, name) != getattr(DEFAULT, name)
    }
    assert seen == changed


@pytest.mark.parametrize("words", ["all allowed", "debug allowed and more", "UpToDate", "VMPL 7"])
def test_other_words_are_no_policy(words: str) -> None:
    with pytest.raises(NotACase, match="no rule that is known"):
        parse_words(words, DEFAULT)
