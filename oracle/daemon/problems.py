"""Problems of the node: one clear line each, logged when they come and when they go."""

import structlog

from oracle.telemetry.state import ChainState, NodeState

log = structlog.get_logger(__name__)


class Problems:
    """Writes problems and notices of the node, or of one of its chains."""

    def __init__(self, state: NodeState | ChainState) -> None:
        self._state = state

    def set(self, area: str, line: str) -> None:
        """Something keeps the node from its work; the same line again is not logged again."""
        if self._state.problems.get(area) != line:
            self._state.problems[area] = line
            log.error("problem", area=area, error=line)

    def clear(self, area: str) -> None:
        """It is over."""
        if self._state.problems.pop(area, None) is not None:
            log.info("problem_solved", area=area)

    def notice(self, area: str, line: str) -> None:
        """Something an operator should know."""
        if self._state.notices.get(area) != line:
            self._state.notices[area] = line
            log.warning("notice", area=area, text=line)

    def alarm(self, area: str, line: str) -> None:
        """Something that will keep the node from its work unless an operator acts."""
        if self._state.notices.get(area) != line:
            self._state.notices[area] = line
            log.error("alarm", area=area, text=line)

    def drop_notice(self, area: str) -> None:
        """It is no longer so."""
        self._state.notices.pop(area, None)
