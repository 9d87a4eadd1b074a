"""`oracle attest`: what it takes, what it says, how it ends, and what it does not load."""

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from enclave.domain.errors import ConfigError
from oracle.attestation.claims import Tee
from oracle.attestation.codecs.strict_json import MAX_MARKS
from oracle.attestation.evidence import EvidenceFormat, Part
from oracle.attestation.roots import Anchors, vendor_roots
from oracle.cli import main
from oracle.cli.attest_arguments import parse_moment
from oracle.cli.attest_files import MAX_BLOCKS, Kind, is_google_vtpm, sort_file
from oracle.cli.attest_inputs import MAX_FILE, MAX_FILES, read_inputs, read_roots
from oracle.devnet.silicon.amd import MILAN, VCEK
from oracle.devnet.silicon.nitro import NitroModule, Request, make_module
from tests.fakes import tokens
from tests.fakes import tpm_evidence as tpm
from tests.fakes.amd import AT as AMD_AT
from tests.fakes.amd import amd_vendor, make_report, snp_endorsements, snp_evidence
from tests.fakes.x509_authority import make_certificate

NOW = datetime(2031, 1, 1, tzinfo=UTC)
PCRS = {0: b"\x01" * 48, 1: b"\x02" * 48, 2: b"\x03" * 48}


@dataclass(frozen=True)
class Ended:
    exit_code: int
    output: str
    stderr: str


def call(*words: object) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
        main(["attest", *(str(word) for word in words)])
    assert isinstance(end.value.code, int)
    return Ended(end.value.code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Nitro:
    """A folder with a document and its root."""

    folder: Path
    module: NitroModule

    @property
    def document(self) -> Path:
        return self.folder / "document"

    def write(self, pcrs: dict[int, bytes]) -> None:
        raw = self.module.document(pcrs, Request(nonce=b"a nonce"), now=NOW)
        self.document.write_bytes(raw)

    def call(self, command: str, *more: object, at: datetime = NOW) -> Ended:
        words = (self.document, "--root", self.folder / "root.pem", "--at", at.isoformat())
        return call(command, *words, *more)


@pytest.fixture(scope="module")
def module() -> NitroModule:
    return make_module(now=NOW)


@pytest.fixture
def nitro(tmp_path: Path, module: NitroModule) -> Nitro:
    root = module.root.certificate.public_bytes(Encoding.PEM)
    (tmp_path / "root.pem").write_bytes(root)
    made = Nitro(tmp_path, module)
    made.write(PCRS)
    return made


@pytest.fixture(scope="module")
def quoting() -> tuple[Any, tpm.Quoting]:
    return tpm.rsa_key(), tpm.Quoting()


@pytest.fixture
def quoted(tmp_path: Path, quoting: tuple[Any, tpm.Quoting]) -> Path:
    """A folder with a TPM's quote and what belongs to it."""
    key, quote = quoting
    folder = tmp_path / "quote"
    folder.mkdir()
    (folder / "msg").write_bytes(quote.attest)
    (folder / "sig").write_bytes(tpm.sign(key, quote.attest))
    (folder / "pcrs").write_bytes(quote.values)
    (folder / "ak").write_bytes(tpm.pem(key))
    return folder


def test_genuine_and_acceptable_evidence_ends_with_0(nitro: Nitro) -> None:
    result = nitro.call("verify")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("ACCEPTED  nitro (nitro-document)\n")
    assert "genuine, to a root that you brought, NOT one of a vendor's" in result.output
    assert "TRUSTED INSTEAD OF THE VENDORS' ROOTS" in result.output
    assert f"pcr0                {'01' * 48}" in result.output
    assert "unchecked image: no reference values" in result.output


def test_the_vendors_roots_are_trusted_and_no_other(nitro: Nitro) -> None:
    result = call("verify", nitro.document, "--at", NOW.isoformat())
    assert result.exit_code == 1
    assert result.output.startswith("REFUSED  nitro-document\n")
    assert "to do: " in result.output


def test_a_policy_refuses_with_1_and_names_check_and_remedy(nitro: Nitro) -> None:
    nitro.write({})
    policy = nitro.folder / "policy.toml"
    policy.write_text('maximum_age_s = 5\n[[image]]\nname = "node"\npcr0 = "ff"\n')
    late = NOW + timedelta(seconds=6)
    result = nitro.call("verify", "--policy", policy, at=late)
    assert result.exit_code == 1
    assert result.output.startswith("REFUSED  nitro")
    assert "FAILED debug state: seen enabled" in result.output
    assert "Start the enclave in production mode" in result.output
    assert "FAILED age: seen 6 s, wanted 0 to 5 s" in result.output
    assert "FAILED pcr0 of image node" in result.output


def test_a_loosened_policy_accepts_and_says_so(nitro: Nitro) -> None:
    nitro.write({})
    policy = nitro.folder / "policy.toml"
    policy.write_text('debug = "allow"\n')
    result = nitro.call("verify", "--policy", policy)
    assert result.exit_code == 0
    assert "LOOSENED Debug mode is accepted" in result.output


def test_json_has_claims_checks_and_what_was_not_checked(nitro: Nitro) -> None:
    view = json.loads(nitro.call("verify", "--output", "json").output)
    assert view["verdict"] == "accepted"
    assert view["refused_by"] is None
    assert view["root"]["id"] == view["claims"]["root_id"]
    assert view["claims"]["measurements"][0] == {
        "name": "pcr0",
        "algorithm": "sha384",
        "value": "01" * 48,
    }
    assert view["claims"]["facts"]["nonce"] == b"a nonce".hex()
    assert {"step", "module", "verdict", "subject", "seen", "wanted", "reason", "remedy"} == set(
        view["checks"][0]
    )
    assert {each["what"] for each in view["unchecked"]} >= {"image", "machine"}
    assert view["notes"]


def test_json_of_a_refusal_has_the_step(nitro: Nitro) -> None:
    raw = bytearray(nitro.document.read_bytes())
    raw[-1] ^= 1
    nitro.document.write_bytes(raw)
    result = nitro.call("verify", "--output", "json")
    assert result.exit_code == 1
    view = json.loads(result.output)
    assert (view["verdict"], view["refused_by"]) == ("refused", "verifier")
    assert view["error"] == "Unsigned"
    assert view["step"]["name"].startswith("nitro.")
    assert view["seen"]
    assert view["remedy"]
    nitro.write({})
    view = json.loads(nitro.call("verify", "--output", "json").output)
    assert (view["verdict"], view["refused_by"]) == ("refused", "policy")


def test_tee_demands_a_tee(nitro: Nitro) -> None:
    assert nitro.call("verify", "--tee", "nitro").exit_code == 0
    result = nitro.call("verify", "--tee", "tdx")
    assert result.exit_code == 1
    assert "FAILED TEE: seen nitro, wanted tdx" in result.output


def test_explain_says_what_is_proved(nitro: Nitro) -> None:
    result = nitro.call("explain")
    assert result.exit_code == 0
    assert "ACCEPTED: genuine evidence of an AWS Nitro enclave" in result.output
    assert "Proved, to a root that you brought" in result.output
    assert "NOT checked:" in result.output


def test_explain_says_what_failed(nitro: Nitro) -> None:
    result = nitro.call("explain", at=NOW + timedelta(days=40))
    assert result.exit_code == 1
    assert "REFUSED at step" in result.output
    for row in ("failed", "which means", "concerns", "seen", "wanted", "what to do"):
        assert f"\n{row}" in result.output


def test_show_decodes_with_offsets(nitro: Nitro) -> None:
    result = call("show", nitro.document)
    assert result.exit_code == 0
    assert "\n0x000a   " in result.output
    assert "module_id" in result.output
    tree = json.loads(call("show", nitro.document, "--output", "json").output)
    assert {"name", "value", "offset", "size", "note", "children"} == set(tree)


def test_show_of_what_cannot_be_decoded_ends_with_2(nitro: Nitro) -> None:
    nitro.document.write_bytes(nitro.document.read_bytes()[:-1])
    result = call("show", nitro.document)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {nitro.document}: ")


def test_parts_of_a_tpms_quote_are_told_by_content(quoted: Path) -> None:
    inputs = read_inputs(quoted, [])
    assert inputs.name.endswith("msg")
    assert inputs.evidence.format is EvidenceFormat.TPM_QUOTE
    assert inputs.evidence.parts == {
        Part.TPM_SIGNATURE: (quoted / "sig").read_bytes(),
        Part.PCR_VALUES: (quoted / "pcrs").read_bytes(),
        Part.AK_PUBLIC: (quoted / "ak").read_bytes(),
    }
    named = [quoted / name for name in ("sig", "pcrs", "ak")]
    assert read_inputs(quoted / "msg", named) == inputs
    assert read_inputs(quoted / "msg", [quoted]) == inputs


def test_a_pinned_key_is_trusted_and_named(quoted: Path) -> None:
    result = call("verify", quoted, "--pin", quoted / "ak")
    assert result.exit_code == 0, result.output
    assert "a key that you pinned, NOT a vendor's root" in result.output
    assert "TRUSTED KEY" in result.output
    assert "unchecked isolation: a TPM alone" in result.output
    assert call("verify", quoted).exit_code == 1


def test_a_described_key_is_pinned_like_its_public_key(
    quoted: Path, quoting: tuple[Any, tpm.Quoting]
) -> None:
    (quoted / "ak").write_bytes(tpm.rsa_public(quoting[0]))
    described, _ = read_roots([], [quoted / "ak"])
    assert described.keys[0].spki == tpm.der(quoting[0])


def test_a_named_part_goes_before_one_in_a_folder(quoted: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('["00"]')
    inputs = read_inputs(quoted, [other])
    assert inputs.evidence.parts[Part.PCR_VALUES] == other.read_bytes()
    assert inputs.ignored == (str(quoted / "pcrs"),)


def test_two_parts_of_a_kind_have_to_be_named(quoted: Path) -> None:
    (quoted / "more").write_text('["00"]')
    result = call("verify", quoted)
    assert result.exit_code == 2
    assert "a second pcr-values" in result.stderr


def test_a_token_is_verified_with_its_key_set(tmp_path: Path) -> None:
    key = tokens.rsa_key()
    header = {"alg": "RS256", "kid": "k", "typ": "JWT"}
    (tmp_path / "token").write_bytes(tokens.sign(key, header, tokens.space_claims()) + b"\n")
    (tmp_path / "keys").write_bytes(tokens.key_set(tokens.numbers(key, kid="k", use="sig")))
    result = call("verify", tmp_path, "--at", tokens.ISSUED_AT)
    assert result.exit_code == 0, result.output
    assert "genuine, to a key that came with the evidence" in result.output
    two = call("verify", tmp_path / "token", "-e", tmp_path / "keys", "--at", tokens.ISSUED_AT)
    assert two.output == result.output


FAULTS: list[tuple[list[str], str]] = [
    (["verify", "absent"], "absent: No such file"),
    (["verify", "noise"], "noise: 4 bytes that begin 6e6f6973; wanted a quote"),
    (["verify", "empty"], "empty: 0 bytes that begin nowhere"),
    (["verify", "nothing"], "nothing: no evidence in its 0 files"),
    (["verify", "document", "-e", "noise"], "noise: nothing in it belongs to a nitro-document"),
    (["verify", "document", "-e", "key.pem"], "a key is trusted with --pin"),
    (["verify", "document", "--pin", "noise"], "noise: "),
    (["verify", "document", "--root", "noise"], "noise: no certificate in it"),
    (["verify", "document", "--policy", "absent"], "absent: No such file"),
    (["verify", "document", "--policy", "bad.toml"], "policy: tee is not a key"),
    (["verify", "document", "--at", "yesterday"], "--at is 'yesterday', wanted seconds"),
    (["verify", "document", "--at", "2031-01-01"], "--at is '2031-01-01', wanted seconds"),
    (["explain", "document", "--at", "99999999999999"], "--at is"),
    (["explain", "noise"], "noise: 4 bytes"),
    (["show", "noise"], "noise: 4 bytes"),
    (["verify", "twice"], "a, b are all of format nitro-document: name one of them"),
]


@pytest.mark.parametrize(("words", "wanted"), FAULTS, ids=[" ".join(f[0]) for f in FAULTS])
def test_what_cannot_be_used_ends_with_2_and_a_line(
    nitro: Nitro, monkeypatch: pytest.MonkeyPatch, words: list[str], wanted: str
) -> None:
    monkeypatch.chdir(nitro.folder)
    (nitro.folder / "noise").write_bytes(b"nois")
    (nitro.folder / "empty").write_bytes(b"")
    (nitro.folder / "key.pem").write_bytes(tpm.pem(nitro.module.signer.key))
    (nitro.folder / "bad.toml").write_text("tee = 1")
    (nitro.folder / "nothing").mkdir()
    (nitro.folder / "twice").mkdir()
    for name in ("a", "b"):
        (nitro.folder / "twice" / name).write_bytes(nitro.document.read_bytes())
    result = call(*words)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert wanted in result.stderr


def test_milan_is_refused_with_the_reason_and_accepted_on_request(tmp_path: Path) -> None:
    (tmp_path / "report").write_bytes(snp_evidence(make_report(MILAN)).raw)
    for number, der in enumerate(snp_endorsements(MILAN, VCEK).certificates):
        (tmp_path / f"{number}.der").write_bytes(der)
    (tmp_path / "ark").write_bytes(amd_vendor(MILAN).ark)
    (tmp_path / "policy").write_text("[snp]\nbanned_product_lines = []\n")
    words = ["verify", tmp_path, "--root", tmp_path / "ark", "--at", AMD_AT]
    refused = call(*words)
    assert refused.exit_code == 1
    assert "FAILED product line: seen Milan, wanted none of Milan" in refused.output
    assert "extracted by software alone" in refused.output
    accepted = call(*words, "--policy", tmp_path / "policy")
    assert accepted.exit_code == 0, accepted.output
    assert "LOOSENED Product line Milan is accepted although" in accepted.output


def test_files_and_folders_have_bounds(nitro: Nitro, tmp_path: Path) -> None:
    with (tmp_path / "long").open("wb") as file:
        file.truncate(MAX_FILE + 1)
    with pytest.raises(ConfigError, match=f"more than {MAX_FILE} bytes, wanted at most"):
        read_inputs(tmp_path / "long", [])
    (tmp_path / "long").write_bytes(nitro.document.read_bytes().ljust(MAX_FILE))
    assert len(read_inputs(tmp_path / "long", []).evidence.raw) == MAX_FILE
    crowd = tmp_path / "crowd"
    crowd.mkdir()
    for number in range(MAX_FILES + 1):
        (crowd / str(number)).touch()
    with pytest.raises(ConfigError, match=f"wanted at most {MAX_FILES}"):
        read_inputs(nitro.document, [crowd])


def test_files_of_a_folder_that_are_of_no_use_are_named(nitro: Nitro) -> None:
    (nitro.folder / "notes.txt").write_text("mine")
    result = call("verify", nitro.folder, "--root", nitro.folder / "root.pem", "--at", "1924992000")
    assert result.exit_code == 0, result.output
    assert f"not used: {nitro.folder / 'notes.txt'}" in result.output


def test_a_root_on_the_command_line_replaces_every_vendors(nitro: Nitro) -> None:
    roots, notes = read_roots([nitro.folder / "root.pem"], [])
    assert {root.der for root in roots.certificates} == {nitro.module.root.der}
    assert {root.anchors for root in roots.certificates} == set(Anchors)
    assert len(notes) == 1
    assert read_roots([], []) == (read_roots([], [])[0], ())
    assert read_roots([], [])[0].certificates == vendor_roots()


@pytest.mark.parametrize(
    ("text", "at"), [("5", 5), ("2031-01-01T00:00:00Z", 1_924_992_000), (None, None)]
)
def test_moments(text: str | None, at: int | None) -> None:
    before = int(datetime.now(UTC).timestamp())
    assert (parse_moment(text) == at) if at is not None else (parse_moment(text) >= before)


def kinds(raw: bytes) -> list[Kind]:
    return [item.kind for item in sort_file(raw)]


def test_things_are_told_by_their_content(
    module: NitroModule, quoting: tuple[Any, tpm.Quoting]
) -> None:
    key, quote = quoting
    der, pem = module.root.der, module.root.certificate.public_bytes(Encoding.PEM)
    crl = tokens.revocation_list(tokens.issue("issuer", tokens.rsa_key(), is_ca=True))
    for raw, wanted in (
        (der, Kind.CERTIFICATE),
        (crl, Kind.CRL),
        (tpm.der(key), Kind.KEY),
        (tpm.pem(key), Kind.KEY),
        (tpm.rsa_public(key), Kind.KEY),
        (tpm.sign(key, quote.attest), Kind.SIGNATURE),
        (tpm.bare(tpm.sign(key, quote.attest)), Kind.SIGNATURE),
        (quote.values, Kind.PCR_VALUES),
        (b'{"sha256": {"0": "00"}}', Kind.PCR_VALUES),
        (b'["00"]', Kind.PCR_VALUES),
        (b'{"keys": []}', Kind.JWKS),
        (b'{"tcb_info": "", "qe_identity": ""}', Kind.INTEL),
        (bytes(4) + b"\x03\0\0\0" + bytes(20) + b"\x21\0\0\0Spec ID Event03\0", Kind.EVENT_LOG),
        (quote.attest, Kind.EVIDENCE),
        (b"{}", Kind.OTHER),
        (b"[]", Kind.OTHER),
        (b"[" * 10_000, Kind.OTHER),
        (b"{", Kind.OTHER),
        (b"\x30\x00", Kind.OTHER),
        (b"", Kind.OTHER),
        (b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----", Kind.OTHER),
        (b"-----BEGIN NOTE-----\nAAAA\n-----END NOTE-----", Kind.OTHER),
    ):
        assert kinds(raw) == [wanted], raw[:20]
    assert kinds(pem + pem) == [Kind.CERTIFICATE] * 2
    assert sort_file(pem)[0].raw == der


def test_a_file_of_too_many_things_is_not_looked_into_and_says_so(
    nitro: Nitro, tmp_path: Path
) -> None:
    pem = nitro.module.root.certificate.public_bytes(Encoding.PEM)
    values = b'{"keys": [' + b"1," * (MAX_MARKS - 3) + b"1]}"
    assert kinds(pem * MAX_BLOCKS) == [Kind.CERTIFICATE] * MAX_BLOCKS
    assert kinds(values) == [Kind.JWKS]
    for name, raw, fault in (
        ("pem", pem * (MAX_BLOCKS + 1), f"over {MAX_BLOCKS} PEM blocks, wanted at most"),
        ("json", values.replace(b"[", b"[1,"), f"{MAX_MARKS + 1} of the marks ,:[{{, wanted"),
    ):
        assert kinds(raw) == [Kind.OTHER]
        (tmp_path / name).write_bytes(raw)
        for words in (("--endorsements", tmp_path / name), ("--root", tmp_path / name)):
            result = call("verify", nitro.document, *words)
            assert result.exit_code == 2, result.output
            assert fault in result.stderr


@pytest.mark.parametrize("start", [b"-----BEGIN A-----", b"-----BEGIN A-----\nA"])
def test_white_space_takes_no_time(start: bytes) -> None:
    # A search that looks at it again for every byte takes hours, and the test has a limit.
    assert kinds(start + b"\n" * 1_000_000) == [Kind.OTHER]


def test_a_google_machines_certificate_is_told_by_its_extension(
    tmp_path: Path, module: NitroModule
) -> None:
    oid = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.1.21")
    instance = x509.UnrecognizedExtension(oid, b"\x30\x00")
    google = make_certificate("an instance", is_ca=False, extensions=[(instance, False)])
    assert not is_google_vtpm((b"junk", module.root.der))
    assert is_google_vtpm((b"junk", module.root.der, google.der))
    (tmp_path / "quote").write_bytes(HEADS[EvidenceFormat.TPM_QUOTE])
    (tmp_path / "certificate").write_bytes(google.der)
    assert read_inputs(tmp_path, []).evidence.format is EvidenceFormat.GOOGLE_VTPM


def test_lists_are_endorsements(tmp_path: Path) -> None:
    crl = tokens.revocation_list(tokens.issue("issuer", tokens.rsa_key(), is_ca=True))
    (tmp_path / "report").write_bytes(HEADS[EvidenceFormat.SNP_REPORT])
    (tmp_path / "list").write_bytes(crl)
    (tmp_path / "nonce").write_bytes(HEADS[EvidenceFormat.MAA_TOKEN])
    inputs = read_inputs(tmp_path / "report", [tmp_path])
    assert inputs.endorsements.crls == (crl,)
    assert inputs.ignored == (str(tmp_path / "nonce"),)


SECOND: list[tuple[EvidenceFormat, EvidenceFormat, Part | None]] = [
    (EvidenceFormat.AZURE_HCL, EvidenceFormat.TPM_QUOTE, Part.TPM_QUOTE),
    (EvidenceFormat.AZURE_HCL, EvidenceFormat.TDX_QUOTE, Part.TD_QUOTE),
    (EvidenceFormat.MAA_TOKEN, EvidenceFormat.SGX_QUOTE, Part.HARDWARE_REPORT),
    (EvidenceFormat.TPM_QUOTE, EvidenceFormat.TDX_QUOTE, Part.HARDWARE_REPORT),
    (EvidenceFormat.GOOGLE_VTPM, EvidenceFormat.SNP_REPORT, Part.HARDWARE_REPORT),
]
_INTEL = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
HEADS = {
    EvidenceFormat.AZURE_HCL: b"HCLA",
    EvidenceFormat.TPM_QUOTE: bytes.fromhex("ff5443478018"),
    EvidenceFormat.GOOGLE_VTPM: bytes.fromhex("ff5443478018"),
    EvidenceFormat.TDX_QUOTE: b"\x04\0\x02\0\x81\0\0\0" + bytes(4) + _INTEL,
    EvidenceFormat.SGX_QUOTE: b"\x03\0\x02\0\0\0\0\0" + bytes(4) + _INTEL,
    EvidenceFormat.SNP_REPORT: b"\x03" + bytes(51) + b"\x01\0\0\0",
    EvidenceFormat.MAA_TOKEN: b"e30.eyJ4LW1zLXZlciI6IjEifQ.e30",
}


@pytest.mark.parametrize(("main", "inner", "part"), SECOND)
def test_a_second_piece_of_evidence_is_a_part_of_the_first(
    tmp_path: Path, main: EvidenceFormat, inner: EvidenceFormat, part: Part
) -> None:
    (tmp_path / "a").write_bytes(HEADS[inner])
    (tmp_path / "b").write_bytes(HEADS[main])
    told = main if main is EvidenceFormat.GOOGLE_VTPM else None
    inputs = read_inputs(tmp_path, [], told)
    assert inputs.evidence.format is main
    assert inputs.evidence.raw == HEADS[main]
    assert inputs.evidence.parts == {part: HEADS[inner]}


def test_what_belongs_to_other_platforms_is_of_no_use(nitro: Nitro) -> None:
    for raw in (HEADS[EvidenceFormat.TDX_QUOTE], HEADS[EvidenceFormat.TPM_QUOTE], b'["00"]'):
        (nitro.folder / "other").write_bytes(raw)
        with pytest.raises(ConfigError, match="nothing in it belongs"):
            read_inputs(nitro.document, [nitro.folder / "other"])


def test_runtime_data_of_a_token_are_any_other_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(HEADS[EvidenceFormat.MAA_TOKEN])
    (tmp_path / "data").write_bytes(b"held data")
    inputs = read_inputs(tmp_path / "token", [tmp_path / "data"])
    assert inputs.evidence.parts == {Part.RUNTIME_DATA: b"held data"}


def test_intels_collateral_is_text_by_name(tmp_path: Path) -> None:
    (tmp_path / "quote").write_bytes(HEADS[EvidenceFormat.TDX_QUOTE])
    (tmp_path / "collateral").write_text('{"tcb_info": "{}", "qe_identity": "{}"}')
    (tmp_path / "log").write_bytes(bytes(4) + b"\x03\0\0\0" + bytes(24) + b"Spec ID Event03\0")
    inputs = read_inputs(tmp_path, [])
    assert inputs.endorsements.intel == {"tcb_info": "{}", "qe_identity": "{}"}
    assert set(inputs.evidence.parts) == {Part.EVENT_LOG}
    (tmp_path / "collateral").write_text('{"tcb_info": {}, "qe_identity": "{}"}')
    with pytest.raises(ConfigError, match="tcb_info is not text"):
        read_inputs(tmp_path, [])


def test_whoever_reads_only_the_beginning_gets_no_traceback(nitro: Nitro) -> None:
    program = f"{sys.executable} -m oracle attest show {nitro.document} | head -c 10"
    result = subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, timeout=50, check=False
    )
    assert len(result.stdout) == 10
    assert result.stderr == ""


def test_evidence_that_brings_all_it_needs_has_nothing_fetched(nitro: Nitro) -> None:
    result = call("fetch", nitro.document, "--to", nitro.folder / "new")
    assert result.exit_code == 0, result.stderr
    assert "nothing to fetch" in result.output


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["document", "--to", "d", "--service", "http://elsewhere.example"], "--service is"),
        (["document", "--to", "d", "--service", "ftp://a"], "--service is"),
        (["document", "--to", "document/in"], "document/in: Not a directory"),
        (["noise", "--to", "d"], "noise: 4 bytes"),
        (["quote", "--to", "d"], "quote: "),
    ],
)
def test_what_cannot_be_fetched_ends_with_2(
    nitro: Nitro, monkeypatch: pytest.MonkeyPatch, words: list[str], wanted: str
) -> None:
    monkeypatch.chdir(nitro.folder)
    (nitro.folder / "noise").write_bytes(b"nois")
    (nitro.folder / "quote").write_bytes(HEADS[EvidenceFormat.TDX_QUOTE])
    result = call("fetch", *words)
    assert result.exit_code == 2
    assert wanted in result.stderr


def test_hidden_files_of_a_folder_are_not_read(nitro: Nitro) -> None:
    (nitro.folder / ".fetched.json").write_text("{}")
    assert read_inputs(nitro.folder, []).ignored == ()


FORBIDDEN = (
    *("web3", "aiohttp", "pydantic", "eth_account", "structlog", "prometheus_client"),
    *("asyncio", "sqlite3", "typer"),
)


@pytest.fixture
def commands(nitro: Nitro) -> list[str]:
    root = str(nitro.folder / "root.pem")
    return ["attest", "verify", str(nitro.document), "--root", root, "--at", NOW.isoformat()]


def test_a_fresh_interpreter_loads_no_chain_no_network_and_no_pydantic(
    commands: list[str],
) -> None:
    program = (
        "import sys; from oracle.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        f"print([name for name in {FORBIDDEN!r} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *commands],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["verify", "show", "explain"])
def test_help_teaches(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0
    assert f"usage: oracle attest {command}" in result.output
    assert "told by their content" in result.output
    text = " ".join(result.output.split())
    assert all(each.value in text for each in EvidenceFormat)
    assert command == "show" or all(tee.value in text for tee in Tee)


@pytest.mark.parametrize("words", [["verify"], ["verify", "a", "--tee", "x"], ["show", "--no"]])
def test_other_words_end_with_2_and_the_usage(words: list[str]) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert "usage: oracle attest" in result.stderr
