"""The data that expressions of a run look up, each part read once in a turn and only if it is asked for.

Ten thousand items whose commands name the output of one step cost one reading of it, be it a MiB.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from jobctl.clock import to_datetime
from jobctl.model.documents import Json
from jobctl.model.expressions import Reference
from jobctl.model.workflow_states import StepStatus
from jobctl.store import Store
from jobctl.store.runs import RunState
from jobctl.supervisor.workflow_plans import Plan

NO_ITEM: Mapping[str, Json] = {}


class RunNames:
    """The names of one run within one transaction."""

    def __init__(self, store: Store, plan: Plan, state: RunState) -> None:
        self._store = store
        self._plan = plan
        self._state = state
        self._known: dict[str, Json] = {}
        self._steps: dict[str, Json] = {}
        """Those that have ended."""
        self._all: Json = None

    def of(self, references: Iterable[Reference], more: Mapping[str, Json] = NO_ITEM) -> dict[str, Json]:
        """The data that ``references`` look up, and ``more``, such as ``item``; nothing else is read."""
        found: dict[str, Json] = dict(more)
        wanted: set[str | None] = set()
        for reference in references:
            name = reference.path[0]
            if name == "steps":
                wanted.add(reference.step)
            elif name == "failure":
                found[name] = self._failure()
            elif name not in found and name in ("params", "env", "run"):
                found[name] = self._known_once(name)
        if wanted:
            found["steps"] = self._all_steps() if None in wanted else self._of_steps(wanted)
        return found

    def forget(self, step: str) -> None:
        """The step stands otherwise now."""
        self._steps.pop(step, None)
        self._all = None

    def _known_once(self, name: str) -> Json:
        if name not in self._known:
            match name:
                case "params":
                    self._known[name] = json.loads(self._state.params)
                case "env":
                    base = self._plan.facts.base
                    self._known[name] = {**base.environment, **base.spec.env}
                case _:
                    self._known[name] = self._run()
        return self._known[name]

    def _of_steps(self, wanted: Iterable[str | None]) -> Json:
        steps = [step for step in wanted if step is not None]
        unknown = [step for step in steps if step not in self._steps]
        read = self._read(unknown) if unknown else {}
        return {**read, **{step: self._steps[step] for step in steps if step in self._steps}}

    def _all_steps(self) -> Json:
        if self._all is None:
            self._all = dict(self._read(None))
        return self._all

    def _read(self, steps: list[str] | None) -> dict[str, Json]:
        rows = self._store.steps.known(self._state.job_id, steps)
        found = {step: _step_names(row) for step, row in rows.items()}
        self._steps |= {step: found[step] for step, row in rows.items() if StepStatus(row[0]).is_terminal}
        return found

    def _run(self) -> Json:
        state, plan = self._state, self._plan
        started = to_datetime(plan.created_at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "id": state.job_id, "name": plan.facts.definition.name, "attempt": state.attempt, "started_at": started
        }  # fmt: skip

    def _failure(self) -> Json:
        """Of the step that failed first."""
        state = self._state
        known = self._store.steps.known(state.job_id, [state.failure]) if state.failure else {}
        row = known.get(state.failure or "")
        if row is None:
            status = "failed" if state.end_status is None else state.end_status.value
            reason = state.end_reason or status
            return {"step": "", "status": status, "reason": reason, "exit_code": None, "message": reason}
        return {
            "step": state.failure, "status": row[0], "reason": row[1], "exit_code": row[2],
            "message": row[8] or row[1] or "",
        }  # fmt: skip


def _step_names(row: tuple[object, ...]) -> Json:
    status, reason, exit_code, outputs, child_id, attempt, result = row[:7]
    return {
        "status": str(status), "reason": reason, "exit_code": exit_code, "job_id": child_id, "attempt": attempt,
        "outputs": {} if outputs is None else json.loads(str(outputs)),
        "result": None if result is None else json.loads(str(result)),
    }  # fmt: skip
