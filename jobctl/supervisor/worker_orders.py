"""What a worker is started with, and what it is told of each job."""

from __future__ import annotations

import json
import os
import sys

from jobctl.configuration import configuration_path
from jobctl.executors.functions import WorkerOrder
from jobctl.model.states import WorkerId
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.store.transitions import Claim
from jobctl.supervisor.environments import Secrets, resource_variables, supervisor_variables
from jobctl.supervisor.identities import Identities


class WorkerOrders:
    """Makes orders for the workers of one life.

    Args:
        store: of the home.
        identities: brand each worker and each job.
        wake: the FIFO of the life.
        settings: those that hold; replaced at a reload.
    """

    def __init__(self, store: Store, identities: Identities, wake: str, settings: Settings) -> None:
        self.settings = settings
        self._home = store.home
        self._identities = identities
        self._wake = wake

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
            "function": spec.call.function,
            "args": spec.call.args,
            "cwd": spec.cwd,
            "split": spec.split_output,
            "dir": self._home.attempt(claim.job_id, claim.attempt),
        }
        if spec.env:
            order["env"] = dict(spec.env)
        if claim.resources:
            found = resource_variables(claim.resources)
            order["vars"] = {name.decode(): value.decode() for name, value in found.items()}
        return _encode(order).encode() + b"\n"


_encode = json.JSONEncoder(separators=(",", ":")).encode
