"""What a worker is started with, and what it is told of each job."""

from __future__ import annotations

import json
import os
import sys

from jobctl.actions.inspections import applied_functions
from jobctl.configuration import configuration_path, read_configuration
from jobctl.errors import BadInputError, UnusableError
from jobctl.executors.functions import WorkerOrder
from jobctl.model.calls import Call
from jobctl.model.specs import JobSpec
from jobctl.model.states import WorkerId
from jobctl.settings import Settings, settings_of
from jobctl.store import Store
from jobctl.store.transitions import Claim
from jobctl.supervisor.environments import Secrets, resource_variables, supervisor_variables
from jobctl.supervisor.identities import Identities

NOT_ALLOWED = 126
"""The exit code of what may not be executed, as shells have it."""
MOST_REMEMBERED = 10_000


class WorkerOrders:
    """Makes orders for the workers of one life.

    Args:
        store: of the home.
        identities: brand each worker and each job.
        wake: the FIFO of the life.
        settings: those that hold, until ``use``.
    """

    def __init__(self, store: Store, identities: Identities, wake: str, settings: Settings) -> None:
        self.settings = settings
        self._store = store
        self._allowed: set[str] = set()
        """Functions that may be called as the settings are now."""
        self._home = store.home
        self._identities = identities
        self._wake = wake
        self._last: tuple[JobSpec, str] | None = None
        """The specification told of last, and how: thousands in a row share one."""

    def use(self, settings: Settings) -> None:
        """These settings hold for what is started and called from now on."""
        self.settings = settings
        self._allowed.clear()

    def refusal(self, claim: Claim) -> str | None:
        """Why the function may not be called any more: its module was taken off the list; else None."""
        function = "" if claim.spec.call is None else claim.spec.call.function
        if function in self._allowed:
            return None
        try:
            applied_functions(self._store, self.settings).function(function)
        except BadInputError as error:
            if not self._is_allowed_by_file(function):
                return str(error)
        if len(self._allowed) < MOST_REMEMBERED:
            self._allowed.add(function)
        return None

    def _is_allowed_by_file(self, function: str) -> bool:
        """Whether the file allows it now: who submits right after a reload may be faster than our own."""
        try:
            found = read_configuration(self._home)
            if found is not None:
                settings = settings_of(os.environ, found.over(Settings()))
                applied_functions(self._store, settings).function(function)
        except (BadInputError, UnusableError):
            return False
        return found is not None

    def worker(self, number: WorkerId) -> WorkerOrder:
        """How the worker is started: with the environment of this process and the secrets of the home.

        Raises:
            SecretsError: there is a ``secrets.env``, and it is unsafe, unreadable or malformed.
        """
        settings, path = self.settings, configuration_path(self._home)
        directory = os.path.dirname(path) if os.path.exists(path) else self._home.path
        environment = supervisor_variables() | Secrets(self._home.secrets).variables()
        environment[b"JOBCTL_HOME"] = os.fsencode(self._home.path)
        environment[b"JOBCTL_RUN"] = self._identities.worker_run(number)
        return WorkerOrder(
            directory=self._home.worker(number),
            python=settings.worker_python or sys.executable,
            arguments=settings.worker_args,
            cwd=os.fsencode(directory),
            environment=environment,
            config={
                "preload": list(settings.preload),
                "path": [directory],
                "worker_jobs": settings.worker_jobs,
                "worker_memory": settings.worker_memory,
                "jobctl": [sys.executable, "-P", "-m", "jobctl"],
            },
            wake=self._wake,
            tag=self._identities.worker_tag(number),
        )

    def job(self, claim: Claim) -> bytes:
        """The line that tells a worker what to call, and as whom."""
        spec = claim.spec
        if spec.call is None:
            raise AssertionError(f"job {claim.job_id} calls nothing")
        order: dict[str, object] = {
            "job": claim.job_id,
            "attempt": claim.attempt,
            "token": claim.token,
            "run": self._identities.run(claim).decode(),
            "dir": self._home.attempt(claim.job_id, claim.attempt),
        }
        if claim.resources:
            found = resource_variables(claim.resources)
            order["vars"] = {name.decode(): value.decode() for name, value in found.items()}
        if self._last is None or self._last[0] is not spec:
            self._last = spec, _common(spec, spec.call)
        return f"{_encode(order)[:-1]},{self._last[1]}\n".encode()


def _common(spec: JobSpec, call: Call) -> str:
    """What calls of one specification have in common, without the opening brace."""
    order: dict[str, object] = {
        "function": call.function, "args": call.args, "cwd": spec.cwd, "split": spec.split_output,
    }  # fmt: skip
    if spec.env:
        order["env"] = dict(spec.env)
    return _encode(order)[1:]


_encode = json.JSONEncoder(separators=(",", ":")).encode
