"""The helper behind the bench: a move at the sources reaches the chain by the real schedule."""

from oracle.devnet.latency import inclusion_latencies


async def test_a_move_above_the_threshold_is_stored_within_seconds() -> None:
    found = await inclusion_latencies(2, block_time_s=1, poll_s=0.5)
    assert len(found) == 2
    assert all(0 < seconds < 10 for seconds in found)
