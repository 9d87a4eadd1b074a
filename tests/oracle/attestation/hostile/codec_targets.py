"""Parsers below the verifiers, and what else reads files that a host was given."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from enclave.domain.errors import AttestationError, ConfigError
from enclave.domain.evidence import TeeKind
from oracle.attestation.appraisal.policy_file import parse_policy
from oracle.attestation.codecs import (
    cbor,
    certificates,
    cose,
    crl,
    dcap,
    event_log,
    gce_instance,
    hcl,
    jws,
    pck,
    pcs,
    quote_tree,
    snp_keys,
    snp_report,
    snp_tree,
    strict_json,
    tpm,
    tpm_keys,
)
from oracle.attestation.codecs.cbor_tree import node_of
from oracle.attestation.endorsements.documents import Findings, assemble
from oracle.attestation.endorsements.pcs import MAX_REPLY, parse_ca, parse_crl_reply
from oracle.attestation.endorsements.services import Question, ReplyKind, read_reply
from oracle.attestation.evidence import EvidenceFormat, Part
from oracle.attestation.tees import attestation_keys
from oracle.cli.attest_files import is_google_vtpm, sort_file
from tests.fakes import arm_tokens, hcl_reports, intel_evidence, tokens, tpm_evidence
from tests.oracle.attestation.hostile.costly import (
    costly_chains,
    costly_files,
    costly_json,
    costly_logs,
    costly_policies,
)
from tests.oracle.attestation.hostile.limits import Target
from tests.oracle.attestation.hostile.samples import Genuine, intel_log, old_log, tpm_log

_TAGS = frozenset({17, 18, 399, 907})
_POLICY = b"""
tees = ["tdx", "snp"]
debug = "refuse"
issuers = ["https://sharedneu.neu.attest.azure.net"]
nonce = "mine"
maximum_age_s = 3600

[tcb]
statuses = ["UpToDate"]
minimum_evaluation_number = 17
minimum.snp = { microcode = 84, snp = 24 }

[snp]
vmpls = [0, 1]
banned_product_lines = ["Milan"]

[[image]]
name = "release 1"
mrtd = "0101"
"""


def codec_targets(known: Sequence[Genuine], files: Sequence[bytes]) -> list[Target]:
    """With samples from genuine evidence, and with recorded files for what reads any file."""
    return [
        *_x509(known),
        *_intel(known),
        *_tokens(known),
        *_tpm(known),
        *_layouts(known),
        Target("policy", (_POLICY,), parse_policy, (ConfigError,), tuple(costly_policies())),
        Target("file", [*_every(known), _POLICY, *files], sort_file, costly=tuple(costly_files())),
    ]


def _raws(known: Iterable[Genuine], *formats: EvidenceFormat) -> list[bytes]:
    return [raw for each in known if each.evidence.format in formats for raw in each.raws]


def _every(known: Iterable[Genuine]) -> Iterator[bytes]:
    """All files of all evidence."""
    for each in known:
        yield from each.raws
        yield from each.evidence.parts.values()
        yield from each.endorsements.certificates
        yield from each.endorsements.crls
        if each.endorsements.jwks is not None:
            yield each.endorsements.jwks
        yield from (text.encode() for text in each.endorsements.intel.values())


def _each(*readers: Callable[[Any], object]) -> Callable[[Any], None]:
    """Every reader, whatever another one refused; then the last refusal."""

    def read(value: Any) -> None:
        refused: AttestationError | None = None
        for reader in readers:
            try:
                reader(value)
            except AttestationError as error:
                refused = error
        if refused is not None:
            raise refused

    return read


def _pck(raw: bytes) -> object:
    return pck.parse_machine(dcap.parse_certificate(raw).parsed, ca_id=bytes(32))


def _x509(known: Sequence[Genuine]) -> list[Target]:
    ders = [der for each in known for der in each.endorsements.certificates]
    chain = intel_evidence.vendor().chain
    pck_der, ca = chain.pck.der, chain.platform_ca.der
    lists = [bytes.fromhex(intel_evidence.Case(TeeKind.SGX).endorsements.intel["pck_crl"])]
    lists += [der for each in known for der in each.endorsements.crls]
    return [
        Target("certificate", [*ders, pck_der, ca], _certificate),
        Target("PCK", [pck_der], _pck),
        Target("PCK CA", [ca], lambda raw: (dcap.parse_certificate(raw), parse_ca(raw))),
        Target("CRL", lists, certificates.load_crl),
        Target("CRL for the chain", lists[:1], crl.parse_crl),
        Target("CRL in a reply", [lists[0], lists[0].hex().encode()], parse_crl_reply),
    ]


def _certificate(raw: bytes) -> None:
    """Whatever reads certificates reads this one, though not every one is meant for it."""
    certificate = certificates.load_certificate(raw, subject="certificate")
    certificates.name_of(certificate)
    certificates.issuer_of(certificate)
    certificates.serial_of(certificate)
    is_google_vtpm((raw,))
    attestation_keys.has_key(certificate, tpm_evidence.ec_key().public_key())
    readers = (
        snp_keys.kind_of,
        snp_keys.parse_endorsement_key,
        gce_instance.parse_instance,
        jws.rsa_key_of,
        attestation_keys.public_key,
        attestation_keys.is_for_attestation,
    )
    for reader in readers:
        try:
            reader(certificate)
        except AttestationError as error:
            str(error).encode()


def _intel(known: Sequence[Genuine]) -> list[Target]:
    quotes = _raws(known, EvidenceFormat.SGX_QUOTE, EvidenceFormat.TDX_QUOTE)
    office = intel_evidence.vendor().collateral
    published = office.publish(now=intel_evidence.ISSUED_AT, number=office.number)
    tees = (TeeKind.SGX, TeeKind.TDX)
    infos, identities, numbers = (
        [getattr(published, name)[tee].text for tee in tees]
        for name in ("tcb_info", "qe_identity", "numbers")
    )
    fields = office.quote_collateral(TeeKind.TDX, published)
    pem = fields["tcb_info_issuer_chain"].encode()
    replies = [b'{"tcbInfo":%s,"signature":"%s"}' % (text, b"00" * 64) for text in infos]
    signed = published.tcb_info[TeeKind.TDX]
    found = Findings(
        [each.der for each in dcap.parse_pem_chain(pem)],
        [published.root_crl],
        [("tcbInfo", signed)],
    )
    return [
        Target("quote", quotes, dcap.split_quote),
        Target("quote's tree", quotes, quote_tree.show_quote),
        Target("PEM chain", [pem, fields["pck_crl_issuer_chain"].encode()], dcap.parse_pem_chain),
        Target("TCB info", infos, pcs.parse_tcb_info),
        Target("QE identity", identities, pcs.parse_qe_identity),
        Target("evaluation numbers", numbers, pcs.parse_evaluation_numbers),
        Target("signed reply", replies, lambda raw: pcs.split_signed(raw, "tcbInfo")),
        Target(
            "chain in a folder",
            [pem],
            lambda raw: _assembled(found, pem=raw),
            costly=tuple(costly_chains()),
        ),
        Target("CRL in a folder", [published.root_crl], lambda raw: _assembled(found, crl=raw)),
    ]


def _assembled(found: Findings, *, pem: bytes | None = None, crl: bytes | None = None) -> object:
    ders = found.certificates if pem is None else [each.der for each in dcap.parse_pem_chain(pem)]
    return assemble(Findings(ders, found.crls if crl is None else [crl], found.texts))


def _tokens(known: Sequence[Genuine]) -> list[Target]:
    jwts = _raws(known, EvidenceFormat.MAA_TOKEN, EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN)
    cbors = _raws(
        known,
        EvidenceFormat.NITRO_DOCUMENT,
        EvidenceFormat.CCA_TOKEN,
        EvidenceFormat.PSA_TOKEN,
    )
    messages = _raws(known, EvidenceFormat.NITRO_DOCUMENT, EvidenceFormat.PSA_TOKEN)
    key = tpm_evidence.rsa_key("token")
    signed = jws.parse_jws(tokens.sign(key, {"alg": "RS256", "kid": "one"}, {}))
    certified = {"kty": "RSA", "kid": "one", "x5c": tokens.x5c(tokens.issue("provider", key))}
    sets = [tokens.key_set(tokens.numbers(key, kid="one")), tokens.key_set(certified)]
    key_sets = [b'{"keys":%s}' % raw for raw in costly_json(jws.MAX_KEY_SET - 9)]
    asked = Question("", ReplyKind.KEYS, "keys.json")
    replies = tuple(costly_json(MAX_REPLY))
    chained = tokens.sign(key, {"alg": "RS256", "x5c": certified["x5c"]}, {"a": [1, "b"]})
    curve = ec.generate_private_key(ec.SECP384R1())
    return [
        Target("JWS", jwts, _each(jws.show_jws, lambda raw: _checked(jws.parse_jws(raw)))),
        Target("x5c", [chained], lambda raw: jws.certificates_of(jws.parse_jws(raw))),
        Target(
            "JWKS",
            sets,
            lambda raw: jws.select_key(raw, signed, now=tokens.NOW),
            costly=key_sets,
        ),
        Target("JWKS in a reply", sets, lambda raw: read_reply(asked, raw), costly=replies),
        Target("JSON", sets, lambda raw: strict_json.parse_value(raw, most=65_536)),
        Target("CBOR", cbors, _cbor),
        Target("COSE_Sign1", messages, lambda raw: cose.parse_sign1(raw, algorithms=_ALGORITHMS)),
        Target("COSE_Key", [arm_tokens.cose_key(curve)], lambda raw: cose.parse_key(raw, "key")),
        Target(
            "point",
            [arm_tokens.point(curve)],
            lambda raw: cose.parse_point(raw, ec.SECP384R1(), "key"),
        ),
    ]


_ALGORITHMS = tuple(cose.Algorithm)


def _checked(token: jws.Jws) -> None:
    jws.check_algorithm(token, frozenset({"RS256"}))


def _cbor(raw: bytes) -> object:
    return node_of("CBOR", cbor.decode(raw, tags=_TAGS, allow_indefinite=True), {})


def _tpm(known: Sequence[Genuine]) -> list[Target]:
    quotes = _raws(known, EvidenceFormat.TPM_QUOTE, EvidenceFormat.GOOGLE_VTPM)
    parts = [
        each.evidence.parts for each in known if each.evidence.format is EvidenceFormat.TPM_QUOTE
    ]
    key, curve = tpm_evidence.rsa_key("attestation"), tpm_evidence.ec_key("attestation")
    publics = [tpm_evidence.rsa_public(key), tpm_evidence.ec_public(curve)]
    keys = [*publics, tpm_evidence.pem(key), tpm_evidence.der(curve)]
    signatures = [each[Part.TPM_SIGNATURE] for each in parts]
    selection = tpm.parse_quote(quotes[0]).selection
    values = [each[Part.PCR_VALUES] for each in parts]
    logs = [tpm_log(), intel_log(), old_log()]
    return [
        Target("TPMS_ATTEST", quotes, _each(tpm.parse_quote, tpm.show_quote)),
        Target("TPMT_SIGNATURE", signatures, _each(tpm.parse_signature, tpm.show_signature)),
        Target("TPMT_PUBLIC", publics, _each(tpm_keys.parse_public, tpm_keys.show_public)),
        Target("attestation key", keys, _each(tpm_keys.parse_key, tpm_keys.show_key)),
        Target("PCR values", values, lambda raw: tpm.parse_pcr_values(raw, selection)),
        Target(
            "PCR values' tree",
            values,
            tpm.show_pcr_values,
            costly=tuple(costly_json(tpm.MAX_PCR_VALUES)),
        ),
        Target("event log", logs, _log, costly=tuple(costly_logs())),
    ]


def _log(raw: bytes) -> None:
    event_log.show_event_log(raw)
    log = event_log.parse_event_log(raw)
    for algorithm in log.algorithms:
        event_log.replay(log, algorithm)


def _layouts(known: Sequence[Genuine]) -> list[Target]:
    reports = _raws(known, EvidenceFormat.SNP_REPORT)
    runtime = hcl_reports.runtime_data(
        tpm_evidence.rsa_key("attestation"), tpm_evidence.rsa_key("token")
    )
    td_report = hcl_reports.td_report(bytes(range(8)) * 81)
    hcls = [
        hcl_reports.hcl_report(hcl_reports.SNP, reports[0], runtime),
        hcl_reports.hcl_report(hcl_reports.TDX, td_report, runtime),
    ]
    return [
        Target("SNP report", reports, lambda raw: snp_report.line_of(snp_report.parse_report(raw))),
        Target("SNP report's tree", reports, snp_tree.report_tree),
        Target("HCL report", hcls, _each(hcl.parse_hcl_report, hcl.show_hcl_report)),
        Target("runtime data", [runtime], hcl.parse_runtime_data),
    ]
