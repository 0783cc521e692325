"""Gives jobs slots: claims within the queues' limits, and starts what was claimed."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace

from jobctl.actions.hooks import write_hook_input
from jobctl.clock import Clock
from jobctl.errors import (
    SecretsError,
    StoreBusyError,
    StoreDamagedError,
    StoreFullError,
    UnusableError,
)
from jobctl.executors.attempts import AttemptDirectory
from jobctl.executors.base import AttemptOrder, Executor, SpawnError, StartRefused
from jobctl.model.attempts import AttemptEnd, Outcome
from jobctl.model.queues import DEFAULT_QUEUE, Queue
from jobctl.model.states import Reason
from jobctl.store import Store
from jobctl.store.transitions import Claim
from jobctl.supervisor.attempts import ActiveAttempt
from jobctl.supervisor.environments import Environments
from jobctl.supervisor.handouts import Share
from jobctl.supervisor.identities import Identities
from jobctl.supervisor.lifeline import Lifeline
from jobctl.supervisor.workers import Workers

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
        self,
        store: Store,
        lifeline: Lifeline,
        clock: Clock,
        executor: Executor,
        identities: Identities,
        workers: Workers,
    ) -> None:
        self._workers = workers
        self._store = store
        self._lifeline = lifeline
        self._clock = clock
        self._executor = executor
        self._identities = identities
        self._environments = Environments(store)
        self._spawn_seconds = 0.001
        self._turn = 0
        self.default_concurrency: int | None = None
        """``up --concurrency``: the slots of the queue ``default`` during this life."""
        self.next_token_at: int | None = None
        """When a queue's rate allows one more start; milliseconds UTC."""

    def claim(self, now: int) -> tuple[list[Claim], bool]:
        """The claims of this turn, and whether more could have been claimed; in an open write transaction.

        Functions are claimed for workers, which are told by themselves.
        """
        self._workers.begin_claims()
        found = self._claim_all(now)
        self._workers.end_claims(now)
        return found

    def _claim_all(self, now: int) -> tuple[list[Claim], bool]:
        budget = max(1, int(SPAWN_SECONDS_A_TURN / self._spawn_seconds))
        running = self._store.queues.running()
        claims: list[Claim] = []
        self.next_token_at = None
        for queue in self._in_turn(self._store.queues.limits()):
            slots = self._slots(queue, running.get(queue.name, 0))
            share = self._claim_functions(queue, slots, now)
            slots -= share.slots
            if share.commands is not None:
                slots = min(slots, share.commands)
            if not slots:
                continue
            allowed = min(slots, budget - len(claims))
            if allowed == 0:
                return claims, True
            claims += self._claim_from(queue, allowed, now)
        more, self._store.claims.more_gated = self._store.claims.more_gated, False
        return claims, more or len(claims) >= budget

    def _in_turn(self, queues: list[Queue]) -> list[Queue]:
        """Another queue goes first each time: workers are shared by all of them."""
        if len(queues) < 2:
            return queues
        self._turn = (self._turn + 1) % len(queues)
        return queues[self._turn :] + queues[: self._turn]

    def _claim_functions(self, queue: Queue, slots: int, now: int) -> Share:
        """What functions took of the queue's slots, within its rate."""
        tokens = queue.starts_allowed(now)
        free = slots if queue.rate is None else min(slots, int(tokens))
        if queue.paused or (queue.rate is not None and not free):
            return Share()
        share = self._workers.handouts.claim_from(queue, free, now)
        if share.slots and queue.rate is not None:
            self._store.queues.spend_tokens(queue.name, tokens - share.slots, now)
            self._note_token(now + math.ceil(queue.rate.seconds_until_one(tokens - share.slots) * 1000))
            share.commands = 0  # the tokens of this turn are counted once
        return share

    def _claim_from(self, queue: Queue, slots: int, now: int) -> list[Claim]:
        """At most ``slots`` claims of one queue, and no more than its rate allows."""
        tokens = queue.starts_allowed(now)
        if queue.rate is not None and tokens < 1:
            self._note_token(now + math.ceil(queue.rate.seconds_until_one(tokens) * 1000))
            return []
        count = slots if queue.rate is None else min(slots, int(tokens))
        token = self._lifeline.next_token()
        claims = self._store.claims.claim(self._lifeline.id, queue.name, count, token, now)
        if claims and queue.rate is not None:
            self._store.queues.spend_tokens(queue.name, tokens - len(claims), now)
            self._note_token(now + math.ceil(queue.rate.seconds_until_one(tokens - len(claims)) * 1000))
        return claims

    def _note_token(self, at: int) -> None:
        self.next_token_at = at if self.next_token_at is None else min(at, self.next_token_at)

    def claim_reserved(self, queue_name: str, now: int) -> list[Claim]:
        """The job reserved for this life, if it is queued and its queue has a free slot."""
        running = self._store.queues.running().get(queue_name, 0)
        for queue in self._store.queues.limits():
            if queue.name != queue_name or not queue.free_slots(running) or queue.starts_allowed(now) < 1:
                continue
            if self._claim_reserved_function(now):
                return []
            claims = self._store.claims.claim_reserved(self._lifeline.id, self._lifeline.next_token(), now)
            if claims and queue.rate is not None:
                self._store.queues.spend_tokens(queue.name, queue.starts_allowed(now) - 1, now)
            return claims
        return []

    def _claim_reserved_function(self, now: int) -> bool:
        """Whether the reserved job is a function: then a worker gets it once there is one."""
        self._workers.begin_claims()
        is_function = self._workers.handouts.claim_reserved(now)
        self._workers.end_claims(now)
        return is_function

    def _slots(self, queue: Queue, running: int) -> int:
        if queue.name == DEFAULT_QUEUE and self.default_concurrency is not None:
            queue = replace(queue, concurrency=self.default_concurrency)
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
            stdin=self._input(claim),
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

    def _input(self, claim: Claim) -> bytes | None:
        if claim.spec.hook_of is not None:
            try:
                return _bytes(write_hook_input(self._store, claim.job_id))
            except (StoreBusyError, StoreFullError, StoreDamagedError):
                raise
            except UnusableError as error:
                raise SpawnError(126, str(error)) from error
        return None if claim.spec.stdin is None else _bytes(claim.spec.stdin)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
