"""What a caller may ask for about queues: add, change, pause, drain, resume, remove."""

from __future__ import annotations

from jobctl.actions.submissions import unknown_queue
from jobctl.actions.supervisors import wake
from jobctl.clock import Clock
from jobctl.errors import StateConflictError
from jobctl.model.names import check_queue_name, parse_whole
from jobctl.model.queues import DEFAULT_QUEUE, Queue, Rate
from jobctl.store import Store

MOST_SLOTS = 100_000


def parse_concurrency(text: str) -> int:
    """How many jobs of a queue may run at once.

    Raises:
        BadInputError: ``E_NUMBER``.
    """
    return parse_whole(text, "concurrency", 1, MOST_SLOTS)


def add_queue(store: Store, name: str, concurrency: int, clock: Clock, rate: Rate | None = None) -> None:
    """The queue exists.

    Raises:
        BadInputError: it cannot be the name of one.
        StateConflictError: it existed already.
    """
    check_queue_name(name)
    with store.write():
        if store.queues.exists(name):
            raise StateConflictError("the queue exists", name, f"change it with: jobctl queue set {name}")
        store.queues.add(name, concurrency, clock.now_ms())
        if rate is not None:
            store.queues.set_rate(name, rate, clock.now_ms())
    wake(store.home)


def set_queue(
    store: Store,
    name: str,
    clock: Clock,
    *,
    concurrency: int | None = None,
    rate: Rate | None = None,
    unlimited: bool = False,
) -> None:
    """The queue has this many slots and this rate from the next claim on; None leaves either as it is.

    Args:
        store, name, clock: as everywhere.
        concurrency: slots.
        rate: starts in a time.
        unlimited: it has no rate any more.

    Raises:
        NotFoundError: there is no such queue.
    """
    with store.write():
        check_queue(store, name)
        if concurrency is not None:
            store.queues.set_concurrency(name, concurrency, clock.now_ms())
        if rate is not None or unlimited:
            store.queues.set_rate(name, rate, clock.now_ms())
    wake(store.home)


def drain_queue(store: Store, name: str, clock: Clock) -> None:
    """The queue takes no new jobs; those it has go on. Asking twice changes nothing.

    Raises:
        NotFoundError: there is no such queue.
    """
    with store.write():
        check_queue(store, name)
        if not _queue(store, name).draining:
            store.queues.set_draining(name, True, clock.now_ms())
    wake(store.home)


def resume_queue(store: Store, name: str, clock: Clock) -> None:
    """The queue starts jobs and takes new ones, whether it was paused, draining or both.

    Raises:
        NotFoundError: there is no such queue.
    """
    now = clock.now_ms()
    with store.write():
        check_queue(store, name)
        queue = _queue(store, name)
        if queue.draining:
            store.queues.set_draining(name, False, now)
        if queue.paused or queue.draining:
            store.queues.set_paused(name, False, now)
    wake(store.home)


def set_paused(store: Store, name: str, paused: bool, clock: Clock) -> None:
    """Nothing more starts from a paused queue; what runs goes on. Asking twice changes nothing.

    Raises:
        NotFoundError: there is no such queue.
    """
    with store.write():
        check_queue(store, name)
        if _queue(store, name).paused == paused:
            return
        store.queues.set_paused(name, paused, clock.now_ms())
    wake(store.home)


def remove_queue(store: Store, name: str, clock: Clock) -> None:
    """The queue is gone.

    Raises:
        NotFoundError: there is no such queue.
        StateConflictError: it is ``default``, or jobs belong to it, ended ones included.
    """
    with store.write():
        check_queue(store, name)
        if name == DEFAULT_QUEUE:
            raise StateConflictError("this queue always exists", name, "pause it instead")
        if jobs := store.queues.jobs(name):
            count = f"{jobs}+" if jobs >= 1000 else str(jobs)
            hint = f"it has {count} {'job' if jobs == 1 else 'jobs'}, ended ones included; pause it instead"
            raise StateConflictError("jobs belong to the queue", name, hint)
        store.queues.remove(name, clock.now_ms())
    wake(store.home)


def check_queue(store: Store, name: str) -> None:
    """The queue exists.

    Raises:
        NotFoundError: it does not.
    """
    if not store.queues.exists(name):
        raise unknown_queue(name, store.queues.names())


def _queue(store: Store, name: str) -> Queue:
    return next(queue for queue in store.queues.limits() if queue.name == name)
