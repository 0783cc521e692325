"""Workflows as a step of the turn: every end of a child, answer of a person and due time has its consequences drawn.

All of it happens in the turn's one transaction, right behind the records of the ends: a supervisor that is killed
either has recorded an end with everything that follows from it, or neither. What goes wrong with one run changes
nothing of the others: it is taken back, and that run alone is given up (``workflow_failures``).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobctl.actions.hooks import add_hooks
from jobctl.clock import Milliseconds
from jobctl.errors import UnusableError
from jobctl.model.states import JobId
from jobctl.model.workflow_runs import Phase, Role
from jobctl.model.workflow_states import Stop
from jobctl.store import Store
from jobctl.store.events import EventRow
from jobctl.store.runs import ChildEnd, News, RunState
from jobctl.supervisor.workflow_ends import Ending
from jobctl.supervisor.workflow_failures import give_up
from jobctl.supervisor.workflow_names import RunNames
from jobctl.supervisor.workflow_plans import Plans
from jobctl.supervisor.workflow_runs import Run

STARTS_A_TURN = 200
"""Jobs of steps stored in a turn: the loop is not held up by ten thousand items."""
SLICE_SECONDS = 0.1
"""After so long the rest is for the next turn: the loop also ends attempts that are out of time."""
_STARTS_AT_ONCE = 50
_NEWS_AT_ONCE = 200


@dataclass(slots=True)
class _Slice:
    """What is left of a turn."""

    ends_at: float
    starts: int = STARTS_A_TURN

    @property
    def is_over(self) -> bool:
        return time.perf_counter() >= self.ends_at


@dataclass(frozen=True, slots=True)
class _Occasion:
    """Why a run is looked at."""

    ends: Sequence[ChildEnd | None] = ()
    """Children that have ended; None: a caller wants something."""
    is_overdue: bool = False
    expired: tuple[str, int] | None = None


class Workflows:
    """Moves every run of a home on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._plans = Plans(store)
        self.slice_seconds = SLICE_SECONDS
        self.more = False
        """Whether more is to be done in the next turn."""

    def advance(self, now: Milliseconds) -> None:
        """Every run is as its children and its callers demand, or as far as the turn had time.

        In an open write transaction; costs one look at an empty table when there is nothing.
        """
        store = self._store
        store.run_pauses.keep()
        left = _Slice(time.perf_counter() + self.slice_seconds)
        for run_id in store.runs.overdue_runs(now):
            self._move(run_id, now, _Occasion(is_overdue=True), left)
        for run_id, step, map_index in store.runs.expired(now):
            self._move(run_id, now, _Occasion(expired=(step, map_index)), left)
        waiting: list[JobId] = []
        while news := store.runs.take_news(_NEWS_AT_ONCE):
            for run_id, ends in _by_run(news).items():
                if not self._move(run_id, now, _Occasion(ends), left):
                    waiting.append(run_id)
            if left.is_over:
                break
        for run_id in dict.fromkeys(waiting):
            store.runs.tell(run_id)
        self.more = store.runs.has_news()

    def _move(self, run_id: JobId, now: Milliseconds, occasion: _Occasion, left: _Slice) -> bool:
        """One run was moved on; False when more of it could start than the turn had room for."""
        try:
            with self._store.database.savepoint():
                return self._moved(run_id, now, occasion, left)
        except UnusableError:
            raise  # of the store, not of the run
        except Exception as error:  # noqa: BLE001 - a bug or a damaged row ends its run, not the loop; it is stored
            with self._store.database.savepoint():
                give_up(self._store, run_id, occasion.ends, error, now)
            return True

    def _moved(self, run_id: JobId, now: Milliseconds, occasion: _Occasion, left: _Slice) -> bool:
        state = self._store.runs.load(run_id)
        if state is None or state.phase is Phase.ENDED:
            return True
        if state.is_given_up:
            give_up(self._store, run_id, occasion.ends, None, now)
            return True
        events: list[EventRow] = []
        plan = self._plans.of(state)
        run = Run(self._store, plan, state, now, events, RunNames(self._store, plan, state))
        ending = Ending(run)
        for end in occasion.ends:
            if end is None:
                _heed(run)
            else:
                _take(run, ending, end)
        if occasion.is_overdue and state.phase is Phase.RUNNING:
            run.stop(Stop.TIMEOUT)
        if occasion.expired is not None:
            run.expire(*occasion.expired)
        is_through = _start(run, left)
        if ending.conclude():
            self._forget(state, now)
        self._store.runs.save(state)
        self._store.runs.add_events(events)
        return is_through

    def _forget(self, state: RunState, now: Milliseconds) -> None:
        self._plans.forget(state)
        add_hooks(self._store, [state.job_id], now)


def _start(run: Run, left: _Slice) -> bool:
    """What can start has started; a start that fails at once may let others go on. False: not all of it."""
    run.flow()
    is_first = True
    while left.starts > 0 and (is_first or not left.is_over):
        started = run.start(min(left.starts, _STARTS_AT_ONCE))
        if not started:
            return True
        left.starts -= started
        is_first = False
        run.flow()
    return False


def _heed(run: Run) -> None:
    """What callers want of the run is done."""
    if run.state.cancels_wanted > run.state.cancels_done:
        run.heed_cancel()
    if run.state.phase is Phase.RUNNING:
        run.answered()
        run.decide_waiting()


def _take(run: Run, ending: Ending, end: ChildEnd) -> None:
    """The end of a child is on record in its run."""
    run.state.open -= 1
    match end.role:
        case Role.STEP:
            run.step_child_ended(end)
        case Role.UNDO:
            ending.undo_ended(end)
        case Role.ON_FAILURE | Role.ON_EXIT:
            ending.handler_ended(end)


def _by_run(news: Iterable[News]) -> dict[JobId, list[ChildEnd | None]]:
    found: dict[JobId, list[ChildEnd | None]] = {}
    for one in news:
        found.setdefault(one.run_id, []).append(one.end)
    return found
