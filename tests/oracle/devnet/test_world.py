import re

import pytest

from enclave.domain.errors import ConfigError
from enclave.domain.evidence import TeeKind
from oracle.devnet.world import WorldOptions, check_quorum, world


@pytest.mark.parametrize(("nodes", "quorum"), [(1, 1), (2, 2), (5, 2), (5, 5), (32, 17)])
def test_nodes_that_can_bring_the_signatures_are_taken(nodes: int, quorum: int) -> None:
    check_quorum(nodes=nodes, quorum=quorum)


@pytest.mark.parametrize(
    ("nodes", "quorum", "message"),
    [
        (0, 1, "0 nodes, wanted 1 to 32: the seats of a hub"),
        (33, 17, "33 nodes, wanted 1 to 32: the seats of a hub"),
        (5, 0, "a quorum of 0, wanted 1 to 5: the number of nodes"),
        (5, 6, "a quorum of 6, wanted 1 to 5: the number of nodes"),
        (1, 2, "a quorum of 2, wanted 1 to 1: the number of nodes"),
        (5, 1, "a quorum of 1, wanted 2 to 5: if one signature is enough, 5 nodes have nothing to"),
    ],
)
def test_nodes_that_cannot_or_need_not_agree_are_refused(
    nodes: int, quorum: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        check_quorum(nodes=nodes, quorum=quorum)


async def test_a_world_that_cannot_work_is_not_begun() -> None:
    options = WorldOptions(TeeKind.TDX, (), {}, nodes=2, quorum=3)
    with pytest.raises(ConfigError, match="a quorum of 3, wanted 1 to 2"):
        async with world(options, None):
            raise AssertionError
