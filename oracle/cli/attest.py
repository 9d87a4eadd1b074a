"""`oracle attest`: what evidence proves, whether a policy accepts it, and why not."""

import importlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

from enclave.domain.errors import AttestationError, ConfigError
from oracle.attestation.appraisal.appraise import appraise
from oracle.attestation.appraisal.explanation import explain_refusal, explain_result
from oracle.attestation.appraisal.policy import Policy
from oracle.attestation.appraisal.policy_file import MAX_POLICY, PolicyFile, parse_policy
from oracle.attestation.appraisal.result import AttestationResult
from oracle.attestation.evidence import EvidenceFormat
from oracle.attestation.findings import Refusal
from oracle.attestation.roots import Roots
from oracle.attestation.tees import show as decode
from oracle.attestation.tees import steps, verify
from oracle.cli import attest_view
from oracle.cli.attest_arguments import Command, Words, read_words
from oracle.cli.attest_inputs import Inputs, read_inputs, read_roots
from oracle.cli.output import Output


class AttestStatus(IntEnum):
    """How `oracle attest` ends."""

    ACCEPTED = 0
    REFUSED = 1
    UNUSABLE = 2


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything that a verdict depends on."""

    inputs: Inputs
    roots: Roots
    notes: tuple[str, ...]
    policy: PolicyFile
    now: int

    @property
    def format(self) -> EvidenceFormat:
        """Of the evidence."""
        return self.inputs.evidence.format

    def judge(self) -> AttestationResult:
        """Verify, then appraise.

        Raises:
            Refusal: The evidence is not genuine, or out of date.
        """
        claims = verify(
            self.inputs.evidence, self.inputs.endorsements, roots=self.roots, now=self.now
        )
        return appraise(claims, self.policy.policy, self.policy.reference_values, now=self.now)


def attest(arguments: Sequence[str]) -> int:
    """Run `oracle attest` with these words; the exit status (argparse exits by itself, with 2)."""
    try:
        return _run(read_words(arguments))
    except ConfigError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"error: {line}\n")
        return AttestStatus.UNUSABLE
    except BrokenPipeError:
        # Whoever read has read enough. Python flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return AttestStatus.UNUSABLE


def _run(words: Words) -> AttestStatus:
    if words.command is Command.SHOW:
        return _show(words)
    if words.command is Command.FETCH:
        # By name: it brings the network's library, which no other command here loads.
        importlib.import_module("oracle.cli.attest_fetch").fetch(words, _print_line)
        return AttestStatus.ACCEPTED
    return _verify(words) if words.command is Command.VERIFY else _explain(words)


def _verify(words: Words) -> AttestStatus:
    case = _case(words)
    accepted = False
    try:
        result = case.judge()
    except Refusal as refusal:
        view: Any = attest_view.refusal_view(refusal, case.format, case.notes)
        lines = attest_view.refusal_lines(refusal, case.format, case.notes)
    else:
        view = attest_view.result_view(result, case.roots, case.notes)
        lines = attest_view.result_lines(result, case.roots, case.notes)
        accepted = result.is_accepted
    _print(words.output, view, lines)
    return AttestStatus.ACCEPTED if accepted else AttestStatus.REFUSED


def _explain(words: Words) -> AttestStatus:
    case = _case(words)
    known = steps(case.format)
    accepted = False
    try:
        result = case.judge()
    except Refusal as refusal:
        lines = explain_refusal(refusal, known)
    else:
        lines = explain_result(result, known, case.roots)
        accepted = result.is_accepted
    _print(Output.TEXT, None, [*case.notes, *lines])
    return AttestStatus.ACCEPTED if accepted else AttestStatus.REFUSED


def _show(words: Words) -> AttestStatus:
    inputs = read_inputs(words.file, words.endorsements, words.evidence_format)
    try:
        tree = decode(inputs.evidence)
    except AttestationError as error:
        raise ConfigError(f"{inputs.name}: {error}") from None
    _print(words.output, attest_view.tree_view(tree), attest_view.tree_lines(tree))
    return AttestStatus.ACCEPTED


def _case(words: Words) -> _Case:
    rules = _read_policy(words.policy)
    if words.tee is not None:
        rules = replace(rules, policy=replace(rules.policy, tees=frozenset({words.tee})))
    roots, notes = read_roots(words.roots, words.pins)
    inputs = read_inputs(words.file, words.endorsements, words.evidence_format)
    if inputs.ignored:
        notes = (*notes, f"not used: {', '.join(inputs.ignored)}")
    return _Case(inputs, roots, notes, rules, words.at)


def _read_policy(path: Path | None) -> PolicyFile:
    if path is None:
        return PolicyFile(Policy(), ())
    try:
        with path.open("rb") as file:
            return parse_policy(file.read(MAX_POLICY + 1))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def _print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _print(output: Output, view: Any, lines: Iterable[str]) -> None:
    text = json.dumps(view, indent=2) if output is Output.JSON else "\n".join(lines)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
