"""What `oracle attest` is given: files and folders into evidence, endorsements and roots."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from enclave.domain.errors import AttestationError, ConfigError
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat, Part
from oracle.attestation.roots import Anchors, PinnedKey, Root, Roots, vendor_roots
from oracle.cli.attest_files import Item, Kind, is_google_vtpm, sort_file

#: The largest that any parser takes: an event log.
MAX_FILE = 1_048_576
MAX_FILES = 256
#: Which of several pieces of evidence in a folder is the main one: the others are within it.
_RANK = (
    EvidenceFormat.AZURE_HCL,
    EvidenceFormat.MAA_TOKEN,
    EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN,
    EvidenceFormat.TPM_QUOTE,
)
_TOKENS = (EvidenceFormat.MAA_TOKEN, EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN)
_TPMS = (EvidenceFormat.AZURE_HCL, EvidenceFormat.TPM_QUOTE, EvidenceFormat.GOOGLE_VTPM)
_JWKS = "key set"
_TPM_PARTS = {
    Kind.PCR_VALUES: Part.PCR_VALUES,
    Kind.SIGNATURE: Part.TPM_SIGNATURE,
    Kind.KEY: Part.AK_PUBLIC,
}
#: What may have a quote or report of the machine below it.
_HOLDERS = dict.fromkeys(
    (EvidenceFormat.MAA_TOKEN, EvidenceFormat.TPM_QUOTE, EvidenceFormat.GOOGLE_VTPM),
    Part.HARDWARE_REPORT,
)
_QUOTES = (EvidenceFormat.SGX_QUOTE, EvidenceFormat.TDX_QUOTE, EvidenceFormat.SNP_REPORT)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What there is to verify.

    Attributes:
        name: Of the main file.
        evidence: With its parts.
        endorsements: Everything else that was of use.
        ignored: Files of folders that are of no use here.
    """

    name: str
    evidence: Evidence
    endorsements: Endorsements
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _File:
    """One file, and whether it was named or is one of a folder's."""

    path: Path
    is_named: bool
    raw: bytes


@dataclass(slots=True)
class _Sorted:
    """What has been found so far, for evidence of this format."""

    main: EvidenceFormat
    certificates: list[bytes] = field(default_factory=list)
    crls: list[bytes] = field(default_factory=list)
    intel: dict[str, str] = field(default_factory=dict)
    parts: dict[Part | str, bytes] = field(default_factory=dict)
    named: set[Part | str] = field(default_factory=set)
    ignored: list[str] = field(default_factory=list)


def read_inputs(
    path: Path, endorsements: Sequence[Path], wanted: EvidenceFormat | None = None
) -> Inputs:
    """Read evidence and what belongs to it, told by content.

    Args:
        path: The evidence, or a folder with it and everything else.
        endorsements: Files (each must be of use) and folders (other files are ignored).
        wanted: The format, if it is not to be detected.

    Raises:
        ConfigError: Unreadable, of no known kind, or ambiguous; names the file.
    """
    around = [entry for given in endorsements for entry in _files(given)]
    if path.is_dir():
        own = list(_files(path))
        main, told = _choose(path, own, wanted)
        around += own
    else:
        main, told = path, wanted or _detect(path, _read(path))
    raw = _read(main)
    if told in _TOKENS:
        raw = raw.rstrip(b"\r\n")
    found = _Sorted(told)
    for entry in sorted(around, key=lambda entry: not entry.is_named):
        if entry.path.resolve() != main.resolve():
            _take_all(found, entry)
    certificates = tuple(found.certificates)
    if wanted is None and told is EvidenceFormat.TPM_QUOTE and is_google_vtpm(certificates):
        told = EvidenceFormat.GOOGLE_VTPM
    jwks = found.parts.pop(_JWKS, None)
    parts = {part: content for part, content in found.parts.items() if isinstance(part, Part)}
    return Inputs(
        name=str(main),
        evidence=Evidence(told, raw, parts),
        endorsements=Endorsements(certificates, tuple(found.crls), found.intel, jwks),
        ignored=tuple(dict.fromkeys(found.ignored)),
    )


def read_roots(roots: Sequence[Path], pins: Sequence[Path]) -> tuple[Roots, tuple[str, ...]]:
    """What to trust, and how that differs from the vendors' roots, a sentence each.

    Args:
        roots: Root certificates that are trusted instead of every vendor's.
        pins: Keys that are trusted besides.

    Raises:
        ConfigError: A file without a certificate, or without a key.
    """
    keys = [_pinned(path) for path in pins]
    ders = [(path, item.raw) for path in roots for item in _items(path, Kind.CERTIFICATE)]
    own = tuple(Root(anchors, str(path), der) for path, der in ders for anchors in Anchors)
    notes = [f"TRUSTED INSTEAD OF THE VENDORS' ROOTS: {path}; no vendor vouches" for path in roots]
    notes += [f"TRUSTED KEY: {path}; no vendor vouches for it, you do" for path in pins]
    return Roots(own or vendor_roots(), tuple(keys)), tuple(notes)


def _pinned(path: Path) -> PinnedKey:
    # Imported here: only who pins keys needs it.
    from oracle.attestation.codecs.tpm_keys import TpmPublic, parse_key, spki

    try:
        key = parse_key(_read(path))
    except AttestationError as error:
        raise ConfigError(f"{path}: {error}") from None
    return PinnedKey(spki(key.key if isinstance(key, TpmPublic) else key))


def _items(path: Path, kind: Kind) -> Iterable[Item]:
    items = sort_file(_read(path))
    found = [item for item in items if item.kind is kind]
    if not found:
        raise ConfigError(f"{path}: no {kind.name.lower()} in it{_because(items[0])}")
    return found


def _because(item: Item) -> str:
    return f": {item.fault}" if item.fault else ""


def _detect(path: Path, raw: bytes) -> EvidenceFormat:
    (item, *_) = sort_file(raw)
    if item.format is None:
        raise ConfigError(
            f"{path}: {len(raw)} bytes that begin {raw[:8].hex() or 'nowhere'}; wanted a quote,"
            " report, document or token of a supported platform"
        )
    return item.format


def _choose(
    folder: Path, files: Sequence[_File], wanted: EvidenceFormat | None
) -> tuple[Path, EvidenceFormat]:
    """The main evidence of a folder: the one that the others are parts of."""
    found = [(file.path, item.format) for file in files for item in sort_file(file.raw)]
    sought = EvidenceFormat.TPM_QUOTE if wanted is EvidenceFormat.GOOGLE_VTPM else wanted
    for kind in [sought] if sought else [*_RANK, *EvidenceFormat]:
        alike = [path for path, each in found if each is kind]
        if len(alike) > 1:
            names = ", ".join(path.name for path in alike)
            raise ConfigError(f"{folder}: {names} are all of format {kind}: name one of them")
        if alike:
            return alike[0], wanted or kind
    raise ConfigError(f"{folder}: no evidence in its {len(files)} files")


def _take_all(found: _Sorted, file: _File) -> None:
    for item in sort_file(file.raw):
        if _take(found, file, item):
            continue
        if file.is_named:
            hint = "; a key is trusted with --pin" if item.kind is Kind.KEY else ""
            hint += _because(item)
            raise ConfigError(f"{file.path}: nothing in it belongs to a {found.main}{hint}")
        found.ignored.append(str(file.path))


def _take(found: _Sorted, file: _File, item: Item) -> bool:
    """Put one thing where it belongs; whether it is of use."""
    if item.kind is Kind.CERTIFICATE:
        found.certificates.append(item.raw)
    elif item.kind is Kind.CRL:
        found.crls.append(item.raw)
    elif item.kind is Kind.INTEL:
        found.intel |= _intel(file.path, item.raw)
    else:
        slot = _slot(found.main, item)
        if slot is None or (not file.is_named and slot in found.named):
            return False
        if found.parts.setdefault(slot, item.raw) != item.raw:
            raise ConfigError(f"{file.path}: a second {slot}; name the right one")
        if file.is_named:
            found.named.add(slot)
    return True


def _slot(main: EvidenceFormat, item: Item) -> Part | str | None:
    """Which part of the evidence it is, if any; a key set is an endorsement."""
    is_tpm = main in _TPMS
    if item.kind is Kind.JWKS:
        return _JWKS if main in _TOKENS else None
    if item.kind is Kind.EVIDENCE:
        return _inner(main, item.format)
    if item.kind is Kind.OTHER:
        return Part.RUNTIME_DATA if main is EvidenceFormat.MAA_TOKEN else None
    if item.kind is Kind.EVENT_LOG:
        return Part.EVENT_LOG if is_tpm or main is EvidenceFormat.TDX_QUOTE else None
    return _TPM_PARTS[item.kind] if is_tpm else None


def _inner(main: EvidenceFormat, inner: EvidenceFormat | None) -> Part | None:
    """What a second piece of evidence is to the first."""
    is_azure = main is EvidenceFormat.AZURE_HCL
    if inner is EvidenceFormat.TPM_QUOTE:
        return Part.TPM_QUOTE if is_azure else None
    if inner in _QUOTES:
        return Part.TD_QUOTE if is_azure else _HOLDERS.get(main)
    return None


def _intel(name: Path, raw: bytes) -> dict[str, str]:
    fields = json.loads(raw)
    wrong = sorted(key for key, value in fields.items() if not isinstance(value, str))
    if wrong:
        raise ConfigError(f"{name}: {wrong[0]} is not text")
    return dict(fields)


def _files(path: Path) -> Iterator[_File]:
    """A file, or those in a folder that are not hidden."""
    if not path.is_dir():
        yield _File(path, True, _read(path))
        return
    try:
        inside = sorted(
            each for each in path.iterdir() if each.is_file() and not each.name.startswith(".")
        )
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if len(inside) > MAX_FILES:
        raise ConfigError(f"{path}: {len(inside)} files, wanted at most {MAX_FILES}")
    for each in inside:
        yield _File(each, False, _read(each))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if len(raw) > MAX_FILE:
        raise ConfigError(f"{path}: more than {MAX_FILE} bytes, wanted at most {MAX_FILE}")
    return raw
