"""``jobctl reload``: ``jobctl.yaml`` is read again and holds from now on."""

from __future__ import annotations

from jobctl.actions.configurations import Change, apply_configuration, request_reload
from jobctl.cli.invocation import Invocation
from jobctl.configuration import configuration_path, read_configuration
from jobctl.errors import NotFoundError
from jobctl.views.text import printable


def reload(call: Invocation) -> None:
    """Read jobctl.yaml again: check it, apply it in one step, tell the supervisor its settings.

    A broken file changes nothing and every problem in it is shown. Queues that it no longer names stay as they are;
    jobs and schedules that it no longer names are disabled and keep their history.
    Without a supervisor the store is changed all the same.

    \b
    Examples:
      jobctl reload
      jobctl reload --json
    """
    home = call.home()
    path = configuration_path(home)
    configuration = read_configuration(home)
    if configuration is None:
        raise NotFoundError("no configuration at", path, "make one, or go where it is", "E_NO_CONFIG")
    with call.store(create=True) as store:
        changes = apply_configuration(store, configuration, call.clock)
        told = request_reload(store)
    if call.json:
        call.print_json({"file": path, "supervisor": told, "changes": [_json(change) for change in changes]})
        return
    for change in changes:
        call.print(printable(str(change)))
    if not changes:
        call.print("nothing to change")
    if told:
        call.print("the supervisor reads its settings again")


def _json(change: Change) -> dict[str, object]:
    return {
        "entity": change.entity,
        "name": change.name,
        "key": change.key,
        "before": change.before,
        "after": change.after,
    }
