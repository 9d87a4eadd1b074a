"""Quotes of every level, with their hints; and hints or evidence of which one thing is wrong.

Each refused case is genuine but for what its name says: evidence is signed anew, hints are those of
the machine but for one item.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.dcap_hints import build_hints, hints_of_refusal
from oracle.attestation.codecs.tcb_proofs import level_proof, module_proof
from oracle.attestation.codecs.tcb_tables import TcbStatus, TdxModule
from oracle.devnet.silicon import quotes
from oracle.devnet.silicon.pki import Authority, Chain, Platform, make_pck
from oracle.devnet.silicon.quotes import QuoteForm
from tests.vectors.dcap_collateral import (
    NUMBER,
    PCESVN,
    SIGNER_3,
    Tables,
    advisories,
)
from tests.vectors.dcap_parts import Parts, evidence, quote_of, sgx_body, tdx_body

_ITEMS = 220
_NUMBERS, _QE, _QE_ADVISORIES, _LEVEL, _ADVISORIES, _MODULE, _MODULE_ADVISORIES = range(7)
#: SEAMATTRIBUTES outside the mask of module 3.
_FREE_ATTRIBUTES = bytes.fromhex("0100ffffffffff00")

Case = dict[str, object]


@dataclass(frozen=True, slots=True)
class Office:
    """Everything that a case is made from.

    Attributes:
        chain: The vendor's certificates; its PCK is of the machine that is up to date.
        machines: Other machines' PCK certificates by name.
        tables: Of each TEE.
    """

    chain: Chain
    machines: dict[str, Authority]
    tables: dict[TeeKind, Tables]

    def hints(self, parts: Parts, made: bytes, machine: Authority, *, sound: bool = True) -> bytes:
        """The hints of a quote; not `sound` if the tables do not allow it."""
        found = self.tables[parts.form.tee]
        quote = quote_of(parts, made, self.chain, machine)
        tables = (found.info, found.identity, found.numbers)
        if sound:
            return build_hints(quote, *tables).packed
        return hints_of_refusal(quote, *tables)


def machines(chain: Chain, platform: Platform) -> dict[str, Authority]:
    """Machines that differ from the one that is up to date in one thing."""
    begin = chain.pck.certificate.not_valid_before_utc
    lower = range(1, TcbStatus.REVOKED + 1)
    others = {f"pcesvn{PCESVN - less}": replace(platform, pcesvn=PCESVN - less) for less in lower}
    others["otherPceId"] = replace(platform, pceid=b"\0\1")
    others["otherFmspc"] = replace(platform, fmspc=b"\1" + platform.fmspc[1:])
    first, *rest = platform.components
    others["lowComponent"] = replace(platform, components=bytes((first - 1, *rest)))
    return {name: make_pck(each, chain.platform_ca, now=begin) for name, each in others.items()}


def appraised(office: Office) -> dict[str, Case]:
    """Accepted quotes: what the collateral says of their platforms."""
    sgx, tdx = Parts(QuoteForm.SGX_V3, sgx_body()), Parts(QuoteForm.TDX_V4, tdx_body())
    cases: dict[str, Case] = {}

    def add(
        name: str, parts: Parts, status: TcbStatus, *open_: Sequence[str], machine: str = ""
    ) -> None:
        names = [each for listed in open_ for each in listed]
        cases[name] = _case(office, parts, machine, status, names)

    for status in list(TcbStatus)[: TcbStatus.REVOKED]:
        found = advisories("SA", status)
        less = status - 1
        name = f"pcesvn{PCESVN - less}" if less else ""
        add(f"sgx{status}", sgx, status, found, machine=name)
        add(f"tdx{status}", replace(tdx, body=tdx_body(svns=_svns(5, 0, 6 - less))), status, found)
    hardening, late = TcbStatus.SW_HARDENING_NEEDED, TcbStatus.OUT_OF_DATE
    up, gone = TcbStatus.UP_TO_DATE, TcbStatus.REVOKED
    add("tdxFirstComponent", _td(_svns(4, 0, 6)), hardening, advisories("SA", hardening))
    add("qeNewer", replace(sgx, svn=0x0109), up)
    add("qeHardening", replace(sgx, svn=7), hardening, advisories("QE", hardening))
    add("qeLate", replace(sgx, svn=6), late, advisories("QE", late))
    add("qeRevoked", replace(tdx, svn=5), gone, advisories("QE", gone))
    both = (advisories("QE", hardening), advisories("SA", TcbStatus.CONFIGURATION_NEEDED))
    merged = TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED
    add("qeAndPlatform", replace(sgx, svn=7), merged, *both, machine="pcesvn11")
    add("qeMiscSelect", replace(sgx, miscselect=b"\x0f\0\0\0"), up)
    add("qeFreeAttributes", replace(sgx, attributes=b"\x15" + bytes(7) + b"\xff" * 8), up)
    # The module's own level, whatever the first two components of the platform's levels.
    add("module", _td(_svns(5, 1, 6)), up)
    add("moduleLate", _td(_svns(4, 1, 6)), late, advisories("MO", late))
    add("moduleRevoked", _td(_svns(1, 1, 6)), gone, advisories("MO", gone))
    other = SIGNER_3 + _FREE_ATTRIBUTES
    add("moduleOfAnother", replace(tdx, body=tdx_body(svns=_svns(3, 3, 6), seam=other)), up)
    _add_relaunched(add)
    return cases


def _add_relaunched(add: Callable[..., None]) -> None:
    late, gone = TcbStatus.OUT_OF_DATE, TcbStatus.REVOKED
    configuration = TcbStatus.CONFIGURATION_NEEDED
    old, new = _svns(4, 1, 6), _svns(5, 1, 6)
    of_old = advisories("MO", late)
    of_configuration = advisories("SA", configuration)
    relaunch = TcbStatus.TD_RELAUNCH_ADVISED
    configured = TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
    add("relaunch", _td(old, new), relaunch, of_old)
    needs = _td(_svns(4, 1, 4), _svns(5, 1, 4))
    found = (of_configuration, of_old, of_configuration)
    add("relaunchConfiguration", needs, configured, *found)
    add("relaunchConfigurationNow", _td(old, _svns(5, 1, 4)), configured, of_old, of_configuration)
    add("relaunchNotNeeded", _td(new, _svns(6, 1, 6)), TcbStatus.UP_TO_DATE)
    add("relaunchStillLate", _td(old, _svns(3, 1, 6)), late, of_old, of_old)
    add("relaunchRevoked", _td(old, _svns(1, 1, 6)), gone, of_old, advisories("MO", gone))
    add("relaunchFromRevoked", _td(_svns(1, 1, 6), new), gone, advisories("MO", gone))
    add("relaunchWorse", _td(new, old), TcbStatus.UP_TO_DATE, of_old)
    qe = replace(_td(old, new), svn=6)
    add("relaunchQeLate", qe, late, advisories("QE", late), of_old)
    qe = replace(_td(old, new), svn=7)
    add("relaunchQeHardening", qe, relaunch, advisories("QE", TcbStatus(2)), of_old)
    add("relaunchUnchanged", _td(old, old), late, of_old)


def refused_evidence(office: Office) -> dict[str, Case]:
    """Quotes that the tables do not allow."""
    sgx, tdx = Parts(QuoteForm.SGX_V3, sgx_body()), Parts(QuoteForm.TDX_V4, tdx_body())
    debug_qe = bytes.fromhex("17") + quotes.QE_ATTRIBUTES[1:]
    signer, attributes = b"\1" + bytes(55), bytes(48) + b"\1" + bytes(7)
    module_3 = _svns(3, 3, 6)
    variants: dict[str, tuple[Parts, str]] = {
        "qeSigner": (replace(sgx, mrsigner=bytes(31) + b"\1"), ""),
        "qeProduct": (replace(sgx, product=2), ""),
        "qeProductTdx": (replace(tdx, product=1), ""),
        "qeProductSgxV5": (replace(sgx, form=QuoteForm.SGX_V5, product=2), ""),
        "qeProductTdxV5": (replace(tdx, form=QuoteForm.TDX_V5_TD10, product=1), ""),
        "qeProductHighByte": (replace(sgx, product=0x0101), ""),
        "qeDebug": (replace(sgx, attributes=debug_qe), ""),
        "qeNoProvisionKey": (replace(sgx, attributes=b"\5" + quotes.QE_ATTRIBUTES[1:]), ""),
        "qeMiscSelect": (replace(sgx, miscselect=b"\0\0\0\1"), ""),
        "qeMiscSelectNibble": (replace(sgx, miscselect=b"\x10\0\0\0"), ""),
        "qeLevel": (replace(sgx, svn=4), ""),
        "level": (sgx, "pcesvn6"),
        "component": (sgx, "lowComponent"),
        "componentTdx": (tdx, "lowComponent"),
        "pceId": (sgx, "otherPceId"),
        "fmspc": (sgx, "otherFmspc"),
        "module": (_td(_svns(5, 2, 6)), ""),
        "moduleLevel": (_td(_svns(0, 1, 6)), ""),
        "moduleSigner": (replace(tdx, body=tdx_body(svns=_svns(5, 1, 6), seam=signer)), ""),
        "moduleAttributes": (
            replace(tdx, body=tdx_body(svns=_svns(5, 1, 6), seam=attributes)),
            "",
        ),
        "moduleOfAnother": (_td(module_3), ""),
        "moduleMaskedAttributes": (
            replace(tdx, body=tdx_body(svns=module_3, seam=SIGNER_3 + bytes(8))),
            "",
        ),
        "firstModuleSigner": (replace(tdx, body=tdx_body(seam=signer)), ""),
        "presentModule": (_td(_svns(5, 1, 6), _svns(5, 2, 6)), ""),
        "presentModuleLevel": (_td(_svns(5, 1, 6), _svns(0, 1, 6)), ""),
        "presentModuleOfAnother": (_td(_svns(5, 1, 6), module_3), ""),
    }
    found: dict[str, Case] = {}
    for name, (parts, machine) in variants.items():
        pck = office.machines[machine] if machine else office.chain.pck
        made = evidence(parts, pck.key)
        found[name] = {
            "evidence": made,
            "hints": office.hints(parts, made, pck, sound=False),
        }
    return found


def refused_hints(office: Office) -> dict[str, Case]:
    """Sound quotes, of whose hints one item is another."""
    pck = office.chain.pck
    sgx, tdx = Parts(QuoteForm.SGX_V3, sgx_body()), _td(_svns(4, 1, 6))
    late_qe = replace(sgx, svn=6)
    low = office.machines["pcesvn12"]
    made = {
        "sgx": (sgx, pck),
        "tdx": (tdx, pck),
        "lateQe": (late_qe, pck),
        "low": (sgx, low),
        "relaunch": (_td(_svns(4, 1, 6), _svns(5, 1, 6)), pck),
    }
    bases = {name: (parts, evidence(parts, each.key), each) for name, (parts, each) in made.items()}
    of_sgx, of_tdx = office.tables[TeeKind.SGX], office.tables[TeeKind.TDX]
    levels, qe_levels = of_sgx.info.levels, of_sgx.identity.levels
    second, first = of_tdx.info.modules[1], of_tdx.info.modules[0]
    better = replace(levels[1], grade=replace(levels[1].grade, status=TcbStatus.UP_TO_DATE))
    better_qe = tuple(replace(each, status=TcbStatus.UP_TO_DATE) for each in qe_levels)
    better_module = replace(of_tdx.info, modules=(first, _better(second), of_tdx.info.modules[2]))
    listed = levels[1].grade.advisory_list
    changes: dict[str, tuple[str, dict[int, bytes]]] = {
        "laterLevel": ("sgx", {_LEVEL: level_proof(levels, 1), _ADVISORIES: listed}),
        "earlierLevel": ("low", {_LEVEL: level_proof(levels, 0), _ADVISORIES: b""}),
        "otherLevels": (
            "low",
            {_LEVEL: level_proof((levels[0], better, *levels[2:]), 1)},
        ),
        "levelsOfTdx": (
            "sgx",
            {
                _LEVEL: level_proof(of_tdx.info.levels, 6),
                _ADVISORIES: of_tdx.info.levels[6].grade.advisory_list,
            },
        ),
        "noLevels": ("sgx", {_LEVEL: b""}),
        "laterQeLevel": ("sgx", {_QE: level_proof(qe_levels, 1)}),
        "earlierQeLevel": ("lateQe", {_QE: level_proof(qe_levels, 0)}),
        "otherQeLevels": ("lateQe", {_QE: level_proof(better_qe, 2)}),
        "module": ("tdx", {_MODULE: module_proof(of_tdx.info, 0) + level_proof(first.levels, 0)}),
        "otherModuleLevels": (
            "tdx",
            {_MODULE: module_proof(better_module, 1) + level_proof(_better(second).levels, 1)},
        ),
        "laterModuleLevel": (
            "tdx",
            {_MODULE: module_proof(of_tdx.info, 1) + level_proof(second.levels, 2)},
        ),
        "noAdvisories": ("low", {_ADVISORIES: b""}),
        "otherAdvisories": ("low", {_ADVISORIES: listed.replace(b"INTEL", b"intel")}),
        "longerAdvisories": ("low", {_ADVISORIES: listed + b',"X"'}),
        "inventedAdvisories": ("sgx", {_ADVISORIES: b'"X"'}),
        "noQeAdvisories": ("lateQe", {_QE_ADVISORIES: b""}),
        "inventedQeAdvisories": ("sgx", {_QE_ADVISORIES: b'"X"'}),
        "noModuleAdvisories": ("tdx", {_MODULE_ADVISORIES: b""}),
        "noPresentAdvisories": ("relaunch", {_ADVISORIES + 4: b'"X"'}),
        "otherNumbers": ("sgx", {_NUMBERS: of_sgx.numbers.table[:-1] + b"\1"}),
        "someNumbers": ("sgx", {_NUMBERS: of_sgx.numbers.table[:14]}),
        "partOfANumber": ("sgx", {_NUMBERS: b"\0"}),
    }
    found: dict[str, Case] = {}
    for name, (base, change) in changes.items():
        parts, evidence_, each = bases[base]
        head, items = _unpacked(office.hints(parts, evidence_, each))
        for index, item in change.items():
            items[index] = item
        found[name] = {"evidence": evidence_, "hints": head + _joined(items)}
    return found | _refused_heads(office, bases["sgx"]) | _refused_counts(office, bases)


def _refused_heads(office: Office, base: tuple[Parts, bytes, Authority]) -> dict[str, Case]:
    """Another machine, number or identity."""
    packed = office.hints(*base)
    identity = bytearray(packed)
    identity[146 + 4] ^= 0xFF
    variants = {
        "key": b"\0" + packed[1:],
        "ca": packed[:64] + bytes(32) + packed[96:],
        "fmspc": packed[:112] + bytes(6) + packed[118:],
        "pcesvn": packed[:120] + b"\xff\xff" + packed[122:],
        "components": packed[:122] + b"\xff" * 16 + packed[138:],
        "tcbNumber": packed[:138] + (NUMBER + 1).to_bytes(4, "big") + packed[142:],
        "qeNumber": packed[:142] + (NUMBER + 1).to_bytes(4, "big") + packed[146:],
        "identity": bytes(identity),
    }
    return {name: {"evidence": base[1], "hints": hints} for name, hints in variants.items()}


def _refused_counts(
    office: Office, bases: dict[str, tuple[Parts, bytes, Authority]]
) -> dict[str, Case]:
    """Items of another number."""
    found: dict[str, Case] = {}
    for name, base, count in (("oneTooMany", "sgx", 5), ("onlyLaunch", "relaunch", 7)):
        parts, evidence_, each = bases[base]
        head, items = _unpacked(office.hints(parts, evidence_, each))
        items = [*items, b""] if count == len(items) else items[:count]
        found[name] = {"evidence": evidence_, "hints": head + _joined(items)}
    parts, evidence_, each = bases["tdx"]
    head, items = _unpacked(office.hints(parts, evidence_, each))
    packed = head + _joined([*items, *items[_LEVEL:]])
    return found | {"relaunchUnasked": {"evidence": evidence_, "hints": packed}}


def _case(office: Office, parts: Parts, machine: str, status: TcbStatus, names: list[str]) -> Case:
    pck = office.machines[machine] if machine else office.chain.pck
    made = evidence(parts, pck.key)
    tables = office.tables[parts.form.tee]
    quote = quote_of(parts, made, office.chain, pck)
    hints = build_hints(quote, tables.info, tables.identity, tables.numbers)
    if (hints.status, list(hints.advisories)) != (status, names):
        said = hints.status.name, hints.advisories
        raise AssertionError(f"prediction is {said}, wanted {status.name}, {names}")
    listed = ",".join(f'"{name}"' for name in names).encode()
    return {
        "evidence": made,
        "hints": hints.packed,
        "status": int(status),
        "advisories": listed,
    }


def _td(svns: bytes, present: bytes | None = None) -> Parts:
    form = QuoteForm.TDX_V4 if present is None else QuoteForm.TDX_V5_TD15
    return Parts(form, tdx_body(svns=svns, present=present))


def _svns(minor: int, major: int, third: int) -> bytes:
    return bytes((minor, major, third)) + bytes(13)


def _better(module: TdxModule) -> TdxModule:
    """A module whose every level is up to date, which nobody signed."""
    levels = tuple(replace(level, status=TcbStatus.UP_TO_DATE) for level in module.levels)
    return replace(module, levels=levels)


def _unpacked(packed: bytes) -> tuple[bytes, list[bytes]]:
    head, rest = packed[:_ITEMS], packed[_ITEMS:]
    items = []
    while rest:
        end = 2 + int.from_bytes(rest[:2], "big")
        items.append(rest[2:end])
        rest = rest[end:]
    return head, items


def _joined(items: Sequence[bytes]) -> bytes:
    return b"".join(len(item).to_bytes(2, "big") + item for item in items)
