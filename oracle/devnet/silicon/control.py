"""What the owner of a local world may let happen to the vendor, as requests.

A request is a map with `control`, the name of what is to happen, and its arguments; the answer is a
map with `done` and what is worth knowing, or with `error`:

    revoke-pck                                        the machine's certificate
    revoke-by-root      certificate: "platform-ca" | "tcb-signer"
    recover-tcb                                       answers `number`
    update-machine
    update-module                                     the TDX module, under running TDs
    publish             age_s, life_s: optional       answers `issued_at`
    stop-publishing
    clock               offset_s: to the real time
    form                form: such as "tdx-v5-td15"   the form of quotes of its TEE
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from oracle.devnet.silicon.lifecycle import Lifecycle
from oracle.devnet.silicon.quotes import QuoteForm

_T = TypeVar("_T")
#: Name on the command line and in requests -> form.
FORMS: Mapping[str, QuoteForm] = {form.name.lower().replace("_", "-"): form for form in QuoteForm}
#: A hundred years: no clock of a chain is farther off.
_MAX_S = 100 * 365 * 86_400


class RequestRefused(ValueError):
    """A request that means nothing; says what is wrong."""


def obey(lifecycle: Lifecycle, request: Mapping[str, Any]) -> dict[str, Any]:
    """Let it happen.

    Raises:
        RequestRefused: Unknown, or wrong arguments; nothing has happened.
    """
    arguments = {key: value for key, value in request.items() if key != "control"}
    wanted = _EVENTS.get(request["control"]) if isinstance(request["control"], str) else None
    if wanted is None:
        raise RequestRefused(f"control is {request['control']!r}, wanted {', '.join(_EVENTS)}")
    event, names, optional = wanted
    if not set(names) <= arguments.keys() <= {*names, *optional}:
        raise RequestRefused(
            f"{request['control']} has {sorted(arguments)}, wanted {sorted((*names, *optional))}"
        )
    return {"done": request["control"]} | event(lifecycle, arguments)


def _revoke_pck(lifecycle: Lifecycle, _: Mapping[str, Any]) -> dict[str, Any]:
    lifecycle.revoke_pck()
    return {}


def _revoke_by_root(lifecycle: Lifecycle, arguments: Mapping[str, Any]) -> dict[str, Any]:
    chain = lifecycle.vendor.chain
    known = {"platform-ca": chain.platform_ca, "tcb-signer": chain.tcb_signer}
    found = _chosen(arguments, "certificate", known)
    lifecycle.revoke_by_root(found.certificate.serial_number)
    return {}


def _recover_tcb(lifecycle: Lifecycle, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"number": lifecycle.recover_tcb()}


def _update_machine(lifecycle: Lifecycle, _: Mapping[str, Any]) -> dict[str, Any]:
    lifecycle.update_machine()
    return {}


def _update_module(lifecycle: Lifecycle, _: Mapping[str, Any]) -> dict[str, Any]:
    lifecycle.vendor.update_module()
    return {}


def _publish(lifecycle: Lifecycle, arguments: Mapping[str, Any]) -> dict[str, Any]:
    spans = {
        name.removesuffix("_s"): timedelta(seconds=_seconds(arguments, name, least=1))
        for name in arguments
    }
    return {"issued_at": int(lifecycle.publish(**spans).timestamp())}


def _stop_publishing(lifecycle: Lifecycle, _: Mapping[str, Any]) -> dict[str, Any]:
    lifecycle.stop_publishing()
    return {}


def _clock(lifecycle: Lifecycle, arguments: Mapping[str, Any]) -> dict[str, Any]:
    offset_s = _seconds(arguments, "offset_s", least=-_MAX_S)
    lifecycle.set_offset(timedelta(seconds=offset_s))
    return {}


def _form(lifecycle: Lifecycle, arguments: Mapping[str, Any]) -> dict[str, Any]:
    lifecycle.vendor.choose_form(_chosen(arguments, "form", FORMS))
    return {}


def _seconds(arguments: Mapping[str, Any], name: str, *, least: int) -> int:
    value = arguments[name]
    if type(value) is not int or not least <= value <= _MAX_S:
        raise RequestRefused(f"{name} is {value!r}, wanted {least} to {_MAX_S}")
    return value


def _chosen(arguments: Mapping[str, Any], name: str, known: Mapping[str, _T]) -> _T:
    value = arguments[name]
    if not isinstance(value, str) or value not in known:
        raise RequestRefused(f"{name} is {value!r}, wanted {', '.join(known)}")
    return known[value]


_Event = Callable[[Lifecycle, Mapping[str, Any]], dict[str, Any]]
#: Name -> what happens, its arguments, and those that may be left out.
_EVENTS: Mapping[str, tuple[_Event, tuple[str, ...], tuple[str, ...]]] = {
    "revoke-pck": (_revoke_pck, (), ()),
    "revoke-by-root": (_revoke_by_root, ("certificate",), ()),
    "recover-tcb": (_recover_tcb, (), ()),
    "update-machine": (_update_machine, (), ()),
    "update-module": (_update_module, (), ()),
    "publish": (_publish, (), ("age_s", "life_s")),
    "stop-publishing": (_stop_publishing, (), ()),
    "clock": (_clock, ("offset_s",), ()),
    "form": (_form, ("form",), ()),
}
