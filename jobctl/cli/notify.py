"""``jobctl notify …``: who is told when something fails, ends or waits."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from jobctl.actions import notifications as actions
from jobctl.cli.complete import complete_targets
from jobctl.cli.invocation import Invocation
from jobctl.errors import BadInputError
from jobctl.model.names import parse_whole
from jobctl.model.notifications import NotificationPlan
from jobctl.model.states import JobId
from jobctl.supervisor.environments import Secrets
from jobctl.views.notifications import notifications_json, notifications_plain
from jobctl.views.text import printable

Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="A target of jobctl.yaml.", autocompletion=complete_targets)
]


def list_(call: Invocation) -> None:
    """List the targets of notifications, how they fared, and the rules, as they were last applied.

    \b
    Examples:
      jobctl notify list
      jobctl notify list --json
    """
    plan, told = NotificationPlan(), {}
    if os.path.exists(call.home().store):
        with call.store() as store:
            found = store.notifications.plan()
            plan, told = (plan if found is None else found[0]), store.notifications.told()
    if call.json:
        call.print_json(notifications_json(plan, told))
    else:
        call.print(notifications_plain(plan, told, call.clock.now_ms()))


def test(call: Invocation, target: Target) -> None:
    """Send a trial message to a target of jobctl.yaml, now and from here.

    \b
    Examples:
      jobctl notify test me
      jobctl notify test chat --json
    """
    home = call.home()
    secrets = Secrets(home.secrets).variables()  # as the supervisor passes them to a delivery
    found = {os.fsdecode(name): os.fsdecode(value) for name, value in secrets.items()}
    actions.send_trial(home, target, {**found, **os.environ})
    if call.json:
        call.print_json({"target": target, "sent": True})
    else:
        call.print(f"sent to {printable(target)}")


def deliver(call: Invocation, target: Target) -> None:
    """Tell what the job it runs in was stored to tell; the supervisor submits such jobs.

    \b
    Examples:
      jobctl notify deliver chat
      jobctl list --type notification
    """
    number = os.environ.get("JOBCTL_JOB_ID")
    if number is None:
        hint = "the supervisor submits such jobs; to try a target: jobctl notify test TARGET"
        raise BadInputError("not in a job", hint=hint, code="E_USAGE")
    job_id = JobId(parse_whole(number, "JOBCTL_JOB_ID", 1, 2**62))
    with call.store() as store:
        told = actions.deliver(store, job_id, target, os.environ)
    if call.json:
        call.print_json({"target": target, "events": told, "sent": True})
    else:
        call.print(f"told {printable(target)} of {told} {'event' if told == 1 else 'events'}")
