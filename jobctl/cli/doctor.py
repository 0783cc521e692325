"""``doctor``."""

from __future__ import annotations

import shutil

from jobctl.actions.doctor import examine
from jobctl.cli.invocation import Invocation
from jobctl.model.diagnoses import Grade
from jobctl.views.health import diagnosis_json, diagnosis_lines


def doctor(call: Invocation) -> int:
    """Examine this machine and this home, and say what helps; exit 1 if something is broken.

    It looks at versions, the SQLite in use, permissions, the file system, limits, the clock and time zones, and runs
    a job in a directory of its own. Nothing in the home is changed.

    \b
    Examples:
      jobctl doctor
      jobctl doctor --json
    """
    found = examine(call.home, call.clock)
    if call.json:
        call.print_json(diagnosis_json(found))
    else:
        for line in diagnosis_lines(found, shutil.get_terminal_size().columns, color=call.color):
            call.print(line)
    return 1 if any(finding.grade is Grade.BROKEN for finding in found) else 0
