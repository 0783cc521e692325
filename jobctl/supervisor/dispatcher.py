"""Gives jobs slots: claims within the queues' limits, and starts what was claimed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from jobctl.clock import Clock
from jobctl.errors import SecretsError, StoreBusyError, StoreFullError
from jobctl.executors.attempts import AttemptDirectory
from jobctl.executors.base import AttemptOrder, Executor, SpawnError, StartRefused
from jobctl.model.attempts import AttemptEnd, Outcome
from jobctl.model.queues import DEFAULT_QUEUE, Queue
from jobctl.model.states import Reason
from jobctl.store import Store
from jobctl.store.transitions import Claim
from jobctl.supervisor.attempts import ActiveAttempt
from jobctl.supervisor.environments import Environments
from jobctl.supervisor.identities import Identities
from jobctl.supervisor.lifeline import Lifeline

SPAWN_SECONDS_A_TURN = 0.020
"""A turn spawns for at most this long and claims no more than that (DESIGN section 6)."""


@dataclass(slots=True)
class Started:
    """What became of the claims of a turn."""

    attempts: list[ActiveAttempt] = field(default_factory=list)
    failures: list[tuple[Claim, AttemptEnd]] = field(default_factory=list)
    refused: list[Claim] = field(default_factory=list)
    refusal: str | None = None


class Dispatcher:
    """Claims and starts for one life."""

    def __init__(
        self, store: Store, lifeline: Lifeline, clock: Clock, executor: Executor, identities: Identities
    ) -> None:
        self._store = store
        self._lifeline = lifeline
        self._clock = clock
        self._executor = executor
        self._identities = identities
        self._environments = Environments(store)
        self._spawn_seconds = 0.001
        self.default_concurrency: int | None = None
        """``up --concurrency``: the slots of the queue ``default`` during this life."""

    def claim(self, now: int) -> tuple[list[Claim], bool]:
        """The claims of this turn, and whether more could have been claimed; in an open write transaction."""
        budget = max(1, int(SPAWN_SECONDS_A_TURN / self._spawn_seconds))
        running = self._store.queues.running()
        claims: list[Claim] = []
        for queue in self._store.queues.limits():
            slots = self._slots(queue, running.get(queue.name, 0))
            if not slots:
                continue
            allowed = min(slots, budget - len(claims))
            if allowed == 0:
                return claims, True
            token = self._lifeline.next_token()
            claims += self._store.transitions.claim(self._lifeline.id, queue.name, allowed, token, now)
        return claims, len(claims) >= budget

    def claim_reserved(self, queue_name: str, now: int) -> list[Claim]:
        """The job reserved for this life, if it is queued and its queue has a free slot."""
        running = self._store.queues.running().get(queue_name, 0)
        for queue in self._store.queues.limits():
            if queue.name == queue_name and queue.free_slots(running):
                token = self._lifeline.next_token()
                return self._store.transitions.claim_reserved(self._lifeline.id, token, now)
        return []

    def _slots(self, queue: Queue, running: int) -> int:
        if queue.name == DEFAULT_QUEUE and self.default_concurrency is not None:
            queue = Queue(queue.name, self.default_concurrency, queue.paused)
        return queue.free_slots(running)

    def start(self, claims: list[Claim]) -> Started:
        """Every claim's process was started, or is listed with the reason why not."""
        result = Started()
        for index, claim in enumerate(claims):
            began = time.perf_counter()
            try:
                result.attempts.append(self._start(claim))
            except SpawnError as error:
                end = AttemptEnd(Outcome.FAILED, Reason.SPAWN_ERROR, error.exit_code, None, error.message)
                result.failures.append((claim, end))
            except (StoreBusyError, StoreFullError) as error:
                result.refused, result.refusal = claims[index:], str(error)
                break
            except SecretsError as error:
                end = AttemptEnd(Outcome.FAILED, Reason.SPAWN_ERROR, None, None, str(error))
                result.failures.append((claim, end))
            except StartRefused as error:
                result.refused = claims[index:]
                result.refusal = error.message
                break
            self._spawn_seconds += 0.1 * (time.perf_counter() - began - self._spawn_seconds)
        return result

    def _start(self, claim: Claim) -> ActiveAttempt:
        spec = claim.spec
        directory = AttemptDirectory(self._store.home.attempt(claim.job_id, claim.attempt))
        order = AttemptOrder(
            job_id=claim.job_id,
            attempt=claim.attempt,
            directory=directory.path,
            argv=tuple(_bytes(word) for word in spec.argv()),
            cwd=_bytes(spec.cwd),
            umask=spec.umask,
            environment=self._environments.of(claim, self._identities.run(claim)),
            stdin=None if spec.stdin is None else _bytes(spec.stdin),
            split_output=spec.split_output,
            nice=spec.nice,
            tag=self._identities.tag(claim),
        )
        started = self._executor.start(order)
        attempt = ActiveAttempt(
            claim, directory, self._identities.tree_of_child(claim, started.pid), started.process
        )
        if spec.timeout_seconds is not None:
            attempt.deadline = self._clock.monotonic() + spec.timeout_seconds
        return attempt


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
