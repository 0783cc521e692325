"""Workflows as a step of the turn: every end of a child, answer of a person and due time has its consequences drawn.

All of it happens in the turn's one transaction, right behind the records of the ends: a supervisor that is killed
either has recorded an end with everything that follows from it, or neither.
"""

from __future__ import annotations

from collections.abc import Iterable

from jobctl.actions.hooks import add_hooks
from jobctl.actions.jobs import CancelOptions, end_jobs
from jobctl.clock import Milliseconds
from jobctl.errors import BadInputError
from jobctl.model.events import EventKind
from jobctl.model.states import JobId, JobStatus
from jobctl.model.workflow_runs import Phase, Role, StepReason
from jobctl.model.workflow_states import Stop
from jobctl.store import Store
from jobctl.store.events import EventRow
from jobctl.store.runs import ChildEnd, News, RunState
from jobctl.supervisor.workflow_ends import Ending
from jobctl.supervisor.workflow_events import workflow_event
from jobctl.supervisor.workflow_plans import Plans
from jobctl.supervisor.workflow_runs import Run

STARTS_A_TURN = 200
"""Jobs of steps stored in a turn: the loop is not held up by ten thousand items."""


class Workflows:
    """Moves every run of a home on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._plans = Plans(store)
        self.more = False
        """Whether more is to be started in the next turn."""

    def advance(self, now: Milliseconds) -> None:
        """Every run is as its children and its callers demand.

        In an open write transaction; costs one look at an empty table when there is nothing.
        """
        store = self._store
        for run_id in store.runs.overdue_runs(now):
            self._move(run_id, now, (), 0, is_overdue=True)
        for run_id, step, map_index in store.runs.expired(now):
            self._move(run_id, now, (), STARTS_A_TURN, expired=(step, map_index))
        budget = STARTS_A_TURN
        waiting: list[JobId] = []
        while news := store.runs.take_news():
            for run_id, ends in _by_run(news).items():
                budget -= self._move(run_id, now, ends, max(0, budget))
                if budget <= 0:
                    waiting.append(run_id)
        for run_id in waiting:
            store.runs.tell(run_id)
        self.more = bool(waiting)

    def _move(
        self,
        run_id: JobId,
        now: Milliseconds,
        ends: Iterable[ChildEnd | None],
        budget: int,
        *,
        is_overdue: bool = False,
        expired: tuple[str, int] | None = None,
    ) -> int:
        """One run was moved on; how many jobs it started."""
        state = self._store.runs.load(run_id)
        if state is None or state.phase is Phase.ENDED:
            return 0
        events: list[EventRow] = []
        try:
            plan = self._plans.of(state)
        except BadInputError as error:
            self._give_up(state, error, now)
            return 0
        run = Run(self._store, plan, state, now, events)
        ending = Ending(run)
        for end in ends:
            if end is None:
                self._heed(run)
            else:
                _take(run, ending, end)
        if is_overdue and state.phase is Phase.RUNNING:
            run.stop(Stop.TIMEOUT)
        if expired is not None:
            run.expire(*expired)
        started = self._start(run, budget)
        if ending.conclude():
            self._forget(state, now)
        self._store.runs.save(state)
        self._store.runs.add_events(events)
        return started

    @staticmethod
    def _start(run: Run, budget: int) -> int:
        """What can start has started; a start that fails at once may let others go on."""
        started = 0
        run.flow()
        while budget > started and (more := run.start(budget - started)):
            started += more
            run.flow()
        return started

    @staticmethod
    def _heed(run: Run) -> None:
        """What callers want of the run is done."""
        state = run.state
        if state.cancels_wanted > state.cancels_done:
            state.cancels_done = state.cancels_wanted
            if state.phase is Phase.RUNNING or (
                state.phase is Phase.STOPPING and state.stop is not Stop.CANCEL
            ):
                run.stop(Stop.CANCEL)
            else:
                run.end_children("requested")
        if state.phase is Phase.RUNNING:
            run.answered()
            run.decide_waiting()

    def _give_up(self, state: RunState, error: BadInputError, now: Milliseconds) -> None:
        """A run whose recorded definition this version cannot read fails; the others go on."""
        store, run_id = self._store, state.job_id
        store.steps.cancel_unstarted(run_id, StepReason.REFUSED, now)
        children = store.runs.open_children(run_id)
        end_jobs(store, children, CancelOptions(reason=StepReason.REFUSED), now)
        state.phase, state.end_status, state.end_reason = Phase.ENDED, JobStatus.FAILED, StepReason.REFUSED
        store.runs.save(state)
        data: dict[str, object] = {"reason": StepReason.REFUSED, "error": str(error)}
        store.runs.end_run(state, data, now)
        store.runs.add_events([workflow_event(now, EventKind.WORKFLOW_FAILED, run_id, data)])
        self._forget(state, now)

    def _forget(self, state: RunState, now: Milliseconds) -> None:
        self._plans.forget(state)
        add_hooks(self._store, [state.job_id], now)


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
