"""``jobctl reload``: ``jobctl.yaml`` is read again and holds from now on."""

from __future__ import annotations

from jobctl.actions.configuration_checks import find_warnings
from jobctl.actions.configurations import Change, apply_configuration, request_reload
from jobctl.actions.inspections import examined
from jobctl.cli.invocation import Invocation
from jobctl.configuration import configuration_path, required_configuration
from jobctl.views.text import printable


def reload(call: Invocation) -> None:
    """Read jobctl.yaml and the modules it allows again: check, apply in one step, tell the supervisor.

    A broken or missing file changes nothing, and every problem in it is shown. Queues that it no longer names stay
    as they are; jobs and schedules that it no longer names are disabled and keep their history.
    Without a supervisor the store is changed all the same.

    \b
    Examples:
      jobctl reload
      jobctl reload --json
    """
    home = call.home()
    path = configuration_path(home)
    configuration = required_configuration(home)
    configuration = examined(configuration, home, call.settings_over(configuration))
    with call.store(create=True) as store:
        warnings = find_warnings(store, configuration, call.clock.now_ms())
        changes = apply_configuration(store, configuration, call.clock)
        told = request_reload(store)
    for warning in warnings:
        call.note(f"warning: {warning}")
    if call.json:
        told_changes = [_json(change) for change in changes]
        call.print_json({"file": path, "supervisor": told, "changes": told_changes, "warnings": warnings})
        return
    for change in changes:
        call.print(printable(str(change)))
    if not changes:
        call.print("nothing to change" + (" in queues, jobs, schedules and daemons" if told else ""))
    if told:
        call.print(
            "the supervisor reads its settings again, and its workers are replaced: changed code counts"
        )


def _json(change: Change) -> dict[str, object]:
    return {
        "entity": change.entity,
        "name": change.name,
        "key": change.key,
        "before": change.before,
        "after": change.after,
    }
