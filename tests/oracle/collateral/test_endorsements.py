"""The folder of endorsements: what is asked for, kept, kept too long, and not had."""

import json
from pathlib import Path

import pytest

from enclave.domain.errors import MalformedEvidence
from enclave.domain.evidence import TeeKind
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.attestation.endorsements.pcs import Reply
from oracle.attestation.endorsements.services import KEYS_LIVE_S, Question, ReplyKind
from oracle.collateral.endorsements import (
    INDEX,
    INTEL_FILE,
    MAX_INDEX,
    Cache,
    Kept,
    fetch_endorsements,
    fetch_intel,
)
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.fakes.pcs import NOW, FakeService, machine
from tests.fakes.x509_authority import END, make_certificate

AT = int(NOW.timestamp())
CERTIFICATE = make_certificate("a key")
ENDS = int(END.timestamp())
VENDOR = SiliconVendor(now=NOW)
SERVICE = "https://service.test"


class Service:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self, **replies: Reply | None) -> None:
        self.replies = replies
        self.asked: list[str] = []

    async def __call__(self, url: str) -> Reply:
        name = url.rpartition("/")[2]
        self.asked.append(name)
        reply = self.replies[name]
        if reply is None:
            raise CollateralUnavailable(f"{url}: no answer in time")
        return reply


def ok(body: bytes) -> Reply:
    return Reply(200, {}, body)


def ask(name: str, kind: ReplyKind = ReplyKind.CERTIFICATE, *, is_needed: bool = True) -> Question:
    return Question(f"{SERVICE}/{name}", kind, f"{name}.der", is_needed)


async def test_what_is_fetched_is_kept_until_it_ends(tmp_path: Path) -> None:
    folder, service = tmp_path / "new" / "folder", Service(a=ok(CERTIFICATE.der))
    early = ENDS - 10
    first = await fetch_endorsements(service, [ask("a")], Cache(folder, now=early))
    again = await fetch_endorsements(service, [ask("a")], Cache(folder, now=ENDS - 1))
    assert first == (Kept("a.der", ENDS, is_new=True),)
    assert again == (Kept("a.der", ENDS),)
    assert (folder / "a.der").read_bytes() == CERTIFICATE.der
    assert service.asked == ["a"]
    await fetch_endorsements(service, [ask("a")], Cache(folder, now=ENDS))
    assert service.asked == ["a", "a"]
    (folder / "a.der").unlink()
    await fetch_endorsements(service, [ask("a")], Cache(folder, now=early))
    assert service.asked == ["a"] * 3


async def test_another_question_for_the_same_file_is_asked(tmp_path: Path) -> None:
    service = Service(a=ok(CERTIFICATE.der), b=ok(CERTIFICATE.der))
    cache = Cache(tmp_path, now=AT)
    other = Question(f"{SERVICE}/b", ReplyKind.CERTIFICATE, "a.der")
    for question in (ask("a"), other, ask("a")):
        (kept,) = await fetch_endorsements(service, [question], cache)
        assert kept.is_new
    assert service.asked == ["a", "b", "a"]


async def test_keys_are_kept_a_day(tmp_path: Path) -> None:
    service = Service(keys=ok(b'{"keys": []}'))
    (kept,) = await fetch_endorsements(
        service, [ask("keys", ReplyKind.KEYS)], Cache(tmp_path, now=AT)
    )
    assert kept.until == AT + KEYS_LIVE_S


@pytest.mark.parametrize("reply", [None, Reply(404, {}, b"")])
async def test_what_is_not_needed_may_be_missing(tmp_path: Path, reply: Reply | None) -> None:
    service = Service(a=reply, b=ok(CERTIFICATE.der))
    cache = Cache(tmp_path, now=AT)
    missing, there = await fetch_endorsements(service, [ask("a", is_needed=False), ask("b")], cache)
    assert missing.fault.startswith(f"{SERVICE}/a: ")
    assert there.is_new
    with pytest.raises(CollateralUnavailable):
        await fetch_endorsements(service, [ask("a")], cache)


async def test_a_reply_of_another_kind_is_not_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path, now=AT)
    with pytest.raises(MalformedEvidence):
        await fetch_endorsements(Service(a=ok(b"<html>")), [ask("a", is_needed=False)], cache)
    assert not list(tmp_path.iterdir())


async def test_intels_documents_are_one_file(tmp_path: Path) -> None:
    service = FakeService(VENDOR)
    platform, root = machine(VENDOR, TeeKind.TDX), VENDOR.chain.root.der
    kept = await fetch_intel(service, SERVICE, platform, Cache(tmp_path, now=AT), root=root)
    asked = len(service.asked)
    again = await fetch_intel(service, SERVICE, platform, Cache(tmp_path, now=AT), root=root)
    assert (kept.is_new, again.is_new) == (True, False)
    assert kept.until == again.until > AT
    assert len(service.asked) == asked
    assert {"tcb_info", "qe_identity"} <= json.loads((tmp_path / INTEL_FILE).read_bytes()).keys()
    other = machine(VENDOR, TeeKind.SGX)
    assert (await fetch_intel(service, SERVICE, other, Cache(tmp_path, now=AT), root=root)).is_new


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": 5}', '{"a": ["b"]}', '{"a": ["b", "c"]}'])
def test_an_index_of_another_form_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(MalformedEvidence, match="no index"):
        Cache(tmp_path, now=AT)


def test_the_largest_index_is_read_and_a_byte_more_is_refused(tmp_path: Path) -> None:
    largest = b'{"file": ["url", 5]}'.ljust(MAX_INDEX)
    (tmp_path / INDEX).write_bytes(largest)
    (tmp_path / "file").touch()
    assert Cache(tmp_path, now=4).find("url", "file") == Kept("file", 5)
    (tmp_path / INDEX).write_bytes(largest + b" ")
    with pytest.raises(MalformedEvidence, match=f"over {MAX_INDEX} bytes, wanted at most"):
        Cache(tmp_path, now=AT)
