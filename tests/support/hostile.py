"""A home full of text that wants to be obeyed, by every way that text gets in."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

from jobctl.actions.admissions import submit
from jobctl.actions.configurations import apply_configuration
from jobctl.configuration import NAME
from jobctl.model.configurations import parse_configuration
from jobctl.model.daemons import DaemonState
from jobctl.model.specs import Submission
from jobctl.model.states import JobId, JobStatus
from jobctl.model.workflow_states import StepStatus
from jobctl.supervisor.supervisor import Supervisor
from tests.support.daemons import DaemonStage
from tests.support.supervisors import submission
from tests.support.workflows import Watched, add_workflow

TRICKS = {
    "colours": "\x1b[35;45;5mred\x1b[2J\x1b[1A",
    "a title": "\x1b]0;owned\x07",
    "a link": "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",
    "the clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "C1": "\x9b31m\x9d0;x\x9c\x85\x90",
    "bidi": "\u202eevil\u2066x\u2069\u200f\u061c",
    "markup": "[/b][link=http://evil]x[/link][red]:warning:",
    "invisible": "a\u200bb\u200dc\ufeff\u2060\u00ad\U000e0041\ue000\u2028",
    "breaks": "a\tb\nc\rd\x0be\x0cf\x08g\x7f",
    "next to NUL": "\x01\x02\x1f",
}
HOSTILE = "".join(TRICKS.values())
"""All of them; valid UTF-8, so that it can be in a document."""
HOSTILE_BYTES = HOSTILE.encode() + b"\xff\x9b31m\xc2\xed\xa0\x80\xfe\n"
AS_ARGUMENT = HOSTILE_BYTES.decode("utf-8", "surrogateescape")
"""As Python has it in ``sys.argv``."""
SHORT = "\x1b]0;x\x07\x9b31m\u202e[/b]\u200b\r\n"
"""Short enough for every name."""
LONG = "長" * 10_000
QUOTED = '"' + "".join(f"\\U{ord(character):08x}" for character in HOSTILE) + '"'
"""In YAML."""

_SGR = re.compile(r"\x1b\[[0-9;]*m")
_OBEYED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_CONFIGURATION = f"""
queues: {{quick: {{concurrency: 3}}}}
resources: {{gpu: 2}}
jobs:
  bad:
    command: [echo, {QUOTED}]
    help: {QUOTED}
    category: "[/b][red]"
    parameters: {{p: {{help: {QUOTED}, default: {QUOTED}}}}}
    schedule: every 6h
  long: {{command: ["true"], help: "{LONG}"}}
schedules:
  filed: {{every: 1h, command: {QUOTED}, type: "[red]"}}
daemons:
  filed: {{command: {QUOTED}}}
notifications:
  targets: {{me: {{url_env: MAIL_SECRET}}}}
  rules: [{{on: failure, to: me}}]
"""
_WORKFLOW = f"""
name: flow
params: {{p: {{default: {QUOTED}}}}}
steps:
  - id: tells
    run: printf 'out=%s\\n' "$TEXT" | tr '\\n' ' ' >> "$JOBCTL_OUTPUT"; cat bytes
    env: {{TEXT: {QUOTED}}}
    outputs: [out]
  - {{id: asks, approve: {QUOTED}}}
  - {{id: each, run: "exit 3", foreach: [{QUOTED}, b], continue_on_error: true}}
  - {{id: breaks, run: "true", needs: [tells], when: "params.p == 'x'"}}
"""
_REPORTS = r"""
cat bytes; cat bytes >&2
printf '40 ' >> "$JOBCTL_PROGRESS"; tr '\n' ' ' < bytes >> "$JOBCTL_PROGRESS"; echo >> "$JOBCTL_PROGRESS"
printf '!' >> "$JOBCTL_PROGRESS"; tr '\n' ' ' < bytes >> "$JOBCTL_PROGRESS"; echo >> "$JOBCTL_PROGRESS"
cat result > "$JOBCTL_RESULT"
"""


def is_harmless(text: str, *, styled: bool = False) -> bool:
    """Whether a terminal would show ``text`` and obey none of it, but for our own styles if it is ``styled``."""
    return not harm_in(text, styled=styled)


def harm_in(text: str, *, styled: bool = False) -> list[str]:
    """Every character that a terminal would obey or hide, and styles that are not ours."""
    found = ["a style that was given"] if "35;45;5" in "".join(_SGR.findall(text)) else []
    plain = _SGR.sub("", text) if styled else text
    return found + sorted(
        {
            f"U+{ord(character):04X}"
            for character in plain
            if character not in "\n\t" and unicodedata.category(character) in _OBEYED
        }
    )


class HostileHome:
    """A stage on which everything has been done once, with hostile text in all that takes text."""

    def __init__(self, root: Path) -> None:
        self.stage = DaemonStage(root)
        self.batch = 0
        """Set by whoever submits one."""
        try:
            self._fill(root)
        except BaseException:
            self.stage.close()
            raise

    def _fill(self, root: Path) -> None:
        (root / "bytes").write_bytes(HOSTILE_BYTES * 3)
        (root / "result").write_text(json.dumps({HOSTILE: [HOSTILE, LONG]}))
        text = _CONFIGURATION
        Path(self.stage.home.path, NAME).write_text(text)
        apply_configuration(self.stage.store, parse_configuration(text, NAME), self.stage.clock)
        supervisor = self.stage.supervise()
        self.ended = self._jobs(supervisor)
        self.workflow = self._workflow(supervisor)
        self._daemon(supervisor)
        self.stage.kill(supervisor)
        self._rename()

    def rename_jobs(self, *ids: int) -> None:
        """These jobs have a name that no verb would take, as in a store that somebody else wrote to."""
        with self.stage.store.write():
            for job_id in ids:
                self.stage.store.database.rows("UPDATE jobs SET name = ? WHERE id = ?", [HOSTILE, job_id])

    def close(self) -> None:
        """Nothing of it is left running."""
        self.stage.close()

    def _store(self, *argv: str, **changes: object) -> JobId:
        """A job behind the back of all that looks at what callers give."""
        made: Submission = submission(self.stage.root, *argv, **changes)
        return submit(self.stage.store, [made], self.stage.clock)[0]

    def _jobs(self, supervisor: Supervisor) -> list[JobId]:
        given = {
            "name": HOSTILE, "tags": (HOSTILE,), "type": HOSTILE, "category": HOSTILE, "user": HOSTILE,
            "meta": {HOSTILE: HOSTILE}, "item": AS_ARGUMENT,
        }  # fmt: skip
        reports = self._store(shell=_REPORTS, **given, unique_key=HOSTILE, lock_key=HOSTILE)
        fails = self._store(
            "/bin/sh", "-c", "cat bytes; exit 3", AS_ARGUMENT, **given, on_failure=f"true {AS_ARGUMENT}"
        )
        absent = self._store(AS_ARGUMENT, **given)
        long = self._store("true", **{**given, "name": LONG, "tags": (LONG,), "meta": LONG})
        self._store("true", **given, hold=True)
        ended = [reports, fails, absent, long]
        self.stage.turn_until(supervisor, lambda: all(self.stage.status(job).is_terminal for job in ended))
        assert self.stage.status(reports) is JobStatus.COMPLETED
        assert self.stage.job(reports).progress.item_errors
        assert self.stage.job(absent).error
        return ended

    def _workflow(self, supervisor: Supervisor) -> JobId:
        run = Watched(self.stage, add_workflow(self.stage, _WORKFLOW))
        self.stage.turn_until(
            supervisor,
            lambda: (
                run.step("asks").status is StepStatus.WAITING
                and run.step("tells").status.is_terminal
                and run.step("each").status.is_terminal
            ),
        )
        assert run.step("tells").outputs, run.step("tells")
        return run.id

    def _daemon(self, supervisor: Supervisor) -> None:
        self.stage.declare("web", "cat bytes; exit 3", env={"A": HOSTILE}, health=None)
        self.stage.turn_until_state(supervisor, "web", DaemonState.BACKOFF)
        with self.stage.store.write():
            told = replace(self.stage.daemon("web"), status_text=HOSTILE, error=HOSTILE, reason=HOSTILE)
            assert self.stage.store.daemons.record(told)

    def _rename(self) -> None:
        """What no verb would take as a name is one, as in a store that somebody else wrote to."""
        database = self.stage.store.database
        with self.stage.store.write():
            database.rows("UPDATE schedules SET type = ?, user = ?, broken = ?", [HOSTILE] * 3)
            database.rows(
                "UPDATE schedules SET name = ?, enabled = 0, disabled_reason = ? WHERE name = 'filed'",
                [SHORT, HOSTILE],
            )
            database.rows("UPDATE daemons SET name = ? WHERE name = 'filed'", [SHORT])
            database.rows("UPDATE queues SET name = ? WHERE name = 'quick'", [SHORT])
