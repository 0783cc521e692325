"""Which run and which step is meant, also of a run within it: ``confirm``, ``part/confirm``, ``each[2]/confirm``."""

from __future__ import annotations

from shlex import quote

from jobctl.actions.selections import one_job
from jobctl.actions.workflow_retries import one_workflow
from jobctl.errors import NotFoundError
from jobctl.model.jobs import Job
from jobctl.model.problems import did_you_mean
from jobctl.model.selectors import SelectorKind
from jobctl.model.states import JobId
from jobctl.model.workflow_questions import SEPARATOR, split_path, without_items
from jobctl.model.workflow_runs import WHOLE, StepRun
from jobctl.store import Store


def one_run(store: Store, text: str) -> Job:
    """The one job that ``text`` selects, which should be a run of a workflow; ``last`` is the newest run.

    Raises:
        BadInputError: no selector, or it selects several jobs.
        NotFoundError: there is no such job.
    """
    if text != SelectorKind.LAST.value:
        return one_job(store, text)
    newest = store.workflows.list(1, with_parts=False)
    if not newest:
        raise NotFoundError("no workflow was run yet", text, "run one: jobctl workflow run FILE")
    return one_job(store, str(newest[0].job_id))


def find_step(store: Store, job_id: JobId, path: str) -> tuple[JobId, StepRun]:
    """The step (or item of one) that ``path`` leads to from the run, and the run that it is one of.

    Raises:
        NotFoundError: there is no such run, or no such step.
    """
    one_workflow(store, job_id)
    *above, (step, item) = split_path(path)
    run_id = job_id
    for name, map_index in above:
        below = _step(store, run_id, name, map_index)
        if below is None or below.job_id is None or store.workflows.get(below.job_id) is None:
            raise _unknown(store, job_id, path)
        run_id = below.job_id
    found = _step(store, run_id, step, item)
    if found is None:
        raise _unknown(store, job_id, path)
    return run_id, found


def _step(store: Store, run_id: JobId, step: str, map_index: int = WHOLE) -> StepRun | None:
    # An id of a step is ASCII; bytes that are no UTF-8 cannot even be asked for.
    return store.workflows.step(run_id, step, map_index) if step.isascii() else None


def _unknown(store: Store, job_id: JobId, path: str) -> NotFoundError:
    """The error, with the question of a run within that was probably meant."""
    name = path.rpartition(SEPARATOR)[2]
    meant = [one.path for one in store.workflow_questions.of(job_id) if one.step == name]
    meant.sort(
        key=lambda one: without_items(one) != without_items(path)
    )  # stable: else the first of the file
    if meant:
        return NotFoundError(f"workflow {job_id} has no step", path, f"did you mean {quote(meant[0])}?")
    first = path.partition(SEPARATOR)[0]
    if SEPARATOR in path and _step(store, job_id, first, 0) is not None:
        hint = f"name an item: {quote(f'{first}[0]{path[len(first) :]}')}"
        return NotFoundError(f"workflow {job_id} has no step", path, hint)
    known = [one.id for one in store.workflows.steps(job_id)]
    return NotFoundError(f"workflow {job_id} has no step", path, did_you_mean(path, known[:100]))
