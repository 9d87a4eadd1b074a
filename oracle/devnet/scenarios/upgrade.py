"""A new enclave image takes over from the old one, without a missed heartbeat."""

from dataclasses import dataclass
from itertools import pairwise

from enclave.domain.errors import ConfigError
from enclave.domain.evidence import TeeKind
from enclave.domain.report import keccak256
from oracle.chain.abi_codec import load_abi
from oracle.chain.base import Call, CallReverted
from oracle.chain.life import LifeCause
from oracle.config import Config
from oracle.devnet.deploy import REQUIREMENTS, image_approval
from oracle.devnet.scenarios.play import Play
from oracle.devnet.silicon.vendor import measure_enclave, predict_image_id
from oracle.devnet.world import ENCLAVE

#: As governance of a live deployment waits at least.
POLICY_DELAY_S = 2 * 86_400
_TOO_EARLY = "Governed_TooEarly"
_QUICKER = "FeedHub_NothingToRebuild"


@dataclass(frozen=True, slots=True)
class _Image:
    """The new image.

    Attributes:
        id: 32 bytes.
        config: Of a node that runs it.
        approval: The call of `ImagePolicy` that approves it.
    """

    id: bytes
    config: Config
    approval: bytes


async def play(p: Play) -> None:
    """Approved under the timelock, registered, seated beside the old signer; then that goes."""
    image = _new_image(p.world.config)
    async with p.node():
        old = await p.ready("registers the old image's signer")
        await p.reports_land("reads what the old enclave signed")
        await _approve(p, image)
        reports = await p.reports_land("reads on; governance waited two days")
    p.tell("operator", "stops the node and starts it with the new image")
    async with p.node(image.config):
        new = await p.ready("registers the new image's signer")
        await p.reports_land("reads what the new enclave signed")
        await _seats(p, old, new)
        await _withdraw(p, old, new)
        await p.reports_land("reads on without the old image")
        await _heartbeats(p, since=reports[0].report.observed_at)


def _new_image(config: Config) -> _Image:
    """Its CA file has one more line, a comment, which is measured as everything else."""
    old = config.enclave.extra_ca
    if old is None:
        raise ConfigError("the scenario needs local price sources")
    new = old.with_name(f"new-{old.name}")
    new.write_bytes(b"# another image\n" + old.read_bytes())
    measurement = measure_enclave(ENCLAVE, extra_ca=new.read_bytes())
    tee = TeeKind[config.enclave.tee.upper()]
    image = predict_image_id(tee, measurement)
    approval = image_approval(image, tee, keccak256(measurement), REQUIREMENTS)
    enclave = config.enclave.model_copy(update={"extra_ca": new})
    return _Image(
        id=image,
        config=config.model_copy(update={"enclave": enclave}),
        approval=load_abi("ImagePolicy").encode_call("approveImage", approval),
    )


async def _approve(p: Play, image: _Image) -> None:
    await _policy(p, "propose", image.approval)
    try:
        await _policy(p, "execute", image.approval)
        refusal = ""
    except CallReverted as error:
        refusal = error.name
    p.check(
        "governance",
        "proposes the new image, and cannot approve it before the delay is over",
        refusal == _TOO_EARLY,
        image=f"0x{image.id.hex()}",
        refusal=refusal,
    )
    await p.pass_time(POLICY_DELAY_S, "the delay of governance is over")
    await _policy(p, "execute", image.approval)
    info = await p.anyone.read("ImagePolicy", "image", image.id)
    p.check("governance", "approves the new image", info["live"], index=info["index"])


async def _seats(p: Play, old: str, new: str) -> None:
    [seat] = await p.anyone.read("SignerSet", "seats")
    taken = {seat["signer0"].lower(), seat["signer1"].lower()}
    valid = [(await p.anyone.registered(signer)).is_valid for signer in (old, new)]
    p.check(
        "chain",
        "both signers share the operator's seat: reports of either would count",
        taken == {old.lower(), new.lower()} and all(valid),
        old=old,
        new=new,
    )


async def _withdraw(p: Play, old: str, new: str) -> None:
    await _policy(p, "withdrawImage", p.world.image_id)
    try:
        await p.anyone.rebuild()
    except CallReverted as error:
        if error.name != _QUICKER:
            raise
    before, after = [await p.anyone.registered(signer) for signer in (old, new)]
    p.check(
        "governance",
        "withdraws the old image: its signer is invalid at once, the new one stays",
        (before.is_valid, before.cause, after.is_valid) == (False, LifeCause.WITHDRAWN, True),
        old_cause=before.cause.words,
        new_seconds_left=after.seconds_left,
    )


async def _heartbeats(p: Play, *, since: int) -> None:
    moments = [moment for moment in await p.anyone.reports() if moment >= since]
    longest_s = max(later - earlier for earlier, later in pairwise(moments))
    heartbeat_s = min(feed.definition.heartbeat_s for feed in p.feeds)
    p.check(
        "chain",
        f"no heartbeat was missed: the longest pause was {longest_s} s of {heartbeat_s} s",
        longest_s < heartbeat_s,
        longest_pause_s=longest_s,
        heartbeat_s=heartbeat_s,
    )


async def _policy(p: Play, function: str, argument: bytes) -> None:
    policy = p.world.deployment.contracts["ImagePolicy"]
    data = load_abi("ImagePolicy").encode_call(function, argument)
    await p.governance.send(Call(function, f"0x{policy.hex()}", data))
