"""``health``."""

from __future__ import annotations

import shutil

from jobctl.actions.health import health_of
from jobctl.cli.invocation import Invocation
from jobctl.views.health import health_json, health_lines


def health(call: Invocation) -> int:
    """Tell whether all is well; exit 1 if not.

    Looked at are the store, the supervisor and the age of its heartbeat, the oldest queued job, the last hour's
    errors, daemons in error, schedules that cannot fire, free space and the write-ahead log. The limits are settings:
    health_queue_age (1h), health_error_percent (50, of at least ten jobs), health_disk_free (512MiB).

    \b
    Examples:
      jobctl health
      jobctl health --json
      jobctl health >/dev/null || mail -s 'look after the jobs' me </dev/null
    """
    found = health_of(call.home(), call.settings, call.clock)
    if call.json:
        call.print_json(health_json(found))
    else:
        for line in health_lines(found, shutil.get_terminal_size().columns, color=call.color):
            call.print(line)
    return 0 if found.healthy else 1
