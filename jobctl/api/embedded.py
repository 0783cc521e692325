"""``python -m jobctl.api.embedded``: a private life for one job of a program that has no supervisor.

It reads one JSON document on standard input (``home``, ``job``, ``supervisor_env``, ``definition``), answers with
one line, the id of the job or an error, and ends when the job has.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from typing import Any

from jobctl.actions.jobs import CancelOptions, cancel
from jobctl.actions.requests import JobRequest, request_of
from jobctl.api.client import Client
from jobctl.errors import JobctlError, StateConflictError
from jobctl.model.selectors import parse_selector
from jobctl.store import Store
from jobctl.store.database import SUPERVISOR_TIMEOUT_SECONDS
from jobctl.supervisor.private import PrivateLife


def main() -> int:
    """The job of standard input has ended; the exit code is 0, or 1 if it was refused."""
    order = json.loads(sys.stdin.buffer.read().decode("utf-8", "surrogatepass"))
    try:
        life = _life(Client(order["home"]), order)
    except JobctlError as error:
        _answer({"error": error_document(error)})
        return 1
    _answer({"id": life.job_id, "is_new": life.is_new})
    if not life.is_new:
        life.leave()
        return 0
    life.run(lambda number: _cancel(life, order["home"], number))
    return 0


def error_document(error: JobctlError) -> dict[str, object]:
    """The error for another process, which makes the same of it."""
    return {
        "class": type(error).__name__,
        "what": error.what,
        "value": error.value,
        "hint": error.hint,
        "code": error.code,
    }


def _life(client: Client, order: dict[str, Any]) -> PrivateLife:
    request = replace(
        request_of(order["job"], JobRequest()),
        supervisor_env=order["supervisor_env"],
        definition=order["definition"],
    )
    connections = client.connections
    submission = client.submission(request)
    return PrivateLife(connections.store(create=True), connections.settings(), connections.clock, submission)


def _cancel(life: PrivateLife, home: str, number: int) -> bool:
    """A signal ends the job."""
    del number
    client = Client(home)
    options = CancelOptions(reason="interrupted")
    # A connection of its own: the supervisor's waits for no other writer.
    clock = client.connections.clock
    with Store.open(client.connections.home, clock, timeout_seconds=SUPERVISOR_TIMEOUT_SECONDS) as store:
        try:
            cancel(store, parse_selector(str(life.job_id)), clock, options)
        except StateConflictError:
            return False  # it has ended
    return False


def _answer(document: dict[str, object]) -> None:
    """The caller has its answer; nothing else comes on this descriptor."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.close(devnull)


if __name__ == "__main__":
    sys.exit(main())
