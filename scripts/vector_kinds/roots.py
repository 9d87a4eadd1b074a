"""Vendor roots: those in the package are the recorded ones, and each recorded file is what it says.

A recorded certificate that is no trust anchor of the verifier (an intermediate) is checked for its
own fingerprint only.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from enclave.domain.errors import AttestationError
from oracle.attestation.codecs.certificates import issuer_of, load_certificate, name_of
from oracle.attestation.roots import vendor_roots
from oracle.cli.attest_files import sort_file
from scripts.vector_kinds.outcome import Outcome, Verdict


def accepts(entries: Any) -> bool:
    """Whether a manifest is of this kind."""
    return isinstance(entries, dict) and isinstance(entries.get("roots"), list)


def run(folder: Path, entries: Any) -> Iterator[Outcome]:
    """One case for each recorded certificate, and one for what the package has beside them."""
    recorded: Sequence[dict[str, Any]] = entries["roots"]
    packaged = {root.id.hex(): root for root in vendor_roots()}
    for entry in recorded:
        yield _certificate(folder, entry, packaged)
    unknown = sorted(packaged.keys() - {_fingerprint(entry) for entry in recorded})
    text = f"{len(packaged)} roots in the package"
    if unknown:
        text += f", of which not recorded: {', '.join(unknown)}"
    yield _outcome(folder, "package", not unknown, text)


def _certificate(folder: Path, entry: dict[str, Any], packaged: dict[str, Any]) -> Outcome:
    name = str(entry.get("file"))
    try:
        (item,) = sort_file((folder / name).read_bytes())
        certificate = load_certificate(item.raw, subject=name)
    except (OSError, ValueError, AttestationError) as error:
        return _outcome(folder, name, False, f"{type(error).__name__}: {error}")
    seen = hashlib.sha256(item.raw).hexdigest()
    wanted = _fingerprint(entry)
    if seen != wanted:
        return _outcome(folder, name, False, f"SHA-256 {seen}, wanted {wanted}")
    is_root = name_of(certificate).endswith(f" {issuer_of(certificate)}")
    is_right = (seen in packaged) is is_root
    return _outcome(
        folder,
        name,
        is_right,
        f"{'a root' if is_root else 'no root'}, {'' if seen in packaged else 'not '}in the package",
    )


def _fingerprint(entry: dict[str, Any]) -> str:
    return str(entry.get("sha256_fingerprint_der", "")).lower()


def _outcome(folder: Path, name: str, is_right: bool, text: str) -> Outcome:
    verdict = Verdict.PASSED if is_right else Verdict.FAILED
    return Outcome(f"{folder.name}/{name}", verdict, text, folder.name)
