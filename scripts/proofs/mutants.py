"""Whether the proofs can fail: each contract broken in one place must fail one of them."""

# ruff: noqa: E501 - a mutant stands in one line

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = "contracts/src/libraries"
TIMEOUT_S = 400


@dataclass(frozen=True, slots=True)
class Mutant:
    """A contract broken in one place.

    Attributes:
        path: The file.
        seen: What stands there, once.
        broken: What takes its place.
        proof: The proof that must fail, as `Contract.check_name`.
    """

    path: str
    seen: str
    broken: str
    proof: str


QUORUM, CODEC = f"{LIBRARIES}/Quorum.sol", f"{LIBRARIES}/ReportCodec.sol"
STORE, CHECK = f"{LIBRARIES}/RoundStore.sol", f"{LIBRARIES}/EntryCheck.sol"
MUTANTS = (
    Mutant(QUORUM, "mask & (mask >> 1) & FIRST_OF_SEAT == 0", "mask != 2**64", "QuorumProof.check_verify_TwoSigners"),
    Mutant(QUORUM, "gt(s, maxS)))", "0))", "QuorumProof.check_verify_OneSigner"),
    Mutant(QUORUM, "shl(216, add(timestamp(), 1))", "shl(216, timestamp())", "QuorumProof.check_verify_OneSigner"),
    Mutant(QUORUM, "xor(mload(0), shr(96, row))", "0", "QuorumProof.check_verify_OneSigner"),
    Mutant(QUORUM, "taken != word.m()", "taken > word.m()", "QuorumProof.check_verify_TwoSigners"),
    Mutant(QUORUM, "EVERY_VENDOR ^ 1", "EVERY_VENDOR", "QuorumProof.check_verify_CountsKnownVendorsOnce"),
    Mutant(CODEC, "chainid()", "1", "ReportCodecProof.check_domainSeparator_IsOfOneChainAndHub"),
    Mutant(CODEC, "mstore(add(free, 0x40), moment)", "", "ReportCodecProof.check_digest_IsOfOneReport"),
    Mutant(CODEC, "version == VERSION", "version != 0", "ReportCodecProof.check_decode_ReadsWhatIsThere"),
    Mutant(CHECK, "add(index, not(before))", "0", "EntryCheckProof.check_isPassed_TakesExactlyWhatTheRulesTake"),
    Mutant(CHECK, "sub(answer, shr(192, limit))", "0", "EntryCheckProof.check_isPassed_TakesExactlyWhatTheRulesTake"),
    Mutant(STORE, "slt(age, 1)", "slt(age, 0)", "FeedHubProof.check_submit_NeverTakesAReportTwice"),
    Mutant(STORE, "slt(age, 1)", "0", "FeedHubProof.check_submit_StoresOnlyNewerRounds"),
    Mutant(STORE, "sub(answer, shr(192, limit)),", "0,", "FeedHubProof.check_submit_StoresWhatTheQuorumSignedInItsWindow"),
    Mutant(
        "contracts/src/types/Lane.sol",
        "return Lane.wrap(isWatched_ ? raw | WATCHED : raw & ~WATCHED);",
        "return Lane.wrap((isWatched_ ? raw | WATCHED : raw & ~WATCHED) + (1 << 64));",
        "FeedHubProof.check_noOtherCallWritesARound",
    ),
)  # fmt: skip


def main() -> int:
    """Print one line for each mutant."""
    alive = 0
    for mutant in MUTANTS:
        with tempfile.TemporaryDirectory(prefix="oracle-mutant-") as folder:
            fault = _run(Path(folder), mutant)
        alive += bool(fault)
        print(
            f"{fault or 'caught'}: {mutant.seen!r} -> {mutant.broken!r}, {mutant.proof}", flush=True
        )
    print(f"mutants: {len(MUTANTS)}, not caught: {alive}")
    return 1 if alive else 0


def _run(folder: Path, mutant: Mutant) -> str:
    """What is wrong; nothing if the proof fails on the mutant by an assertion."""
    for name in ("contracts", "tests/contracts"):
        unwanted = shutil.ignore_patterns("node_modules", "out-tests", "cache-tests")
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    (folder / "contracts/node_modules").symlink_to(ROOT / "contracts/node_modules")
    path = folder / mutant.path
    source = path.read_text()
    if source.count(mutant.seen) != 1:
        return "NOT APPLICABLE"
    path.write_text(source.replace(mutant.seen, mutant.broken))
    contract, _, proof = mutant.proof.partition(".")
    script = ROOT / "scripts/proofs/halmos_osaka.py"
    halmos = [
        sys.executable,
        str(script),
        "--root",
        ".",
        "--forge-build-out",
        "out-proofs",
        "--loop",
        "64",
    ]
    halmos += ["--no-status", "--contract", contract, "--function", proof]
    # Only the hub is proved as built. What is broken may leave a name unused, of which the compiler warns.
    build = "forge build && " if contract == "FeedHubProof" else ""
    command = f"{build}FOUNDRY_PROFILE=proofs timeout --signal=KILL {TIMEOUT_S} {' '.join(halmos)}"
    done = subprocess.run(
        ["bash", "-c", command],
        check=False,
        cwd=folder / "contracts",
        stdout=-1,
        stderr=-2,
        env=os.environ | {"FOUNDRY_DENY": "never"},
        text=True,
    )
    return "" if "Counterexample" in done.stdout else f"NOT CAUGHT\n{done.stdout[-2000:]}"


if __name__ == "__main__":
    sys.exit(main())
