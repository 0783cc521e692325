"""Function jobs for tests: a module of toys in the home, and jobs that call them in real workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobctl.actions.admissions import submit
from jobctl.model.calls import Call
from jobctl.model.specs import JobSpec, Submission
from jobctl.model.states import JobId, JobKind
from tests.support.supervisors import Premises

TOYS = '''
import os, signal, subprocess, sys, time
from jobctl import context

def noop(): return None
def add(a, b): return a + b
def fail(text="no good"): raise ValueError(text)
def say(text): print(text, flush=True)
def pid(): return os.getpid()
def where(): return [os.getcwd(), os.environ.get("COLOUR"), os.environ["JOBCTL_JOB_ID"]]

def until_gone(gate, started=None):
    """Runs until the file has vanished."""
    if started:
        open(started, "w").close()
    while os.path.exists(gate):
        time.sleep(0.01)
    return "went"

def stubborn(gate, started):
    """Hears nothing of what would end it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(started, "w").close()
    while os.path.exists(gate):
        time.sleep(0.01)

def die(code): os._exit(code)
def crash(): os.kill(os.getpid(), signal.SIGSEGV)
def steps(n):
    context.total(n)
    for _ in range(n):
        context.advance()
    context.result({"n": n})
def note(ledger, text):
    fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, (text + chr(10)).encode())
    os.close(fd)
def leave(seconds): return subprocess.Popen(["sleep", str(seconds)], start_new_session=True).pid
def eat(size):
    hoard = bytearray(size)
    while True:
        time.sleep(0.01)
'''


def add_toys(premises: Premises, text: str = TOYS, name: str = "toys") -> None:
    """The module can be imported by the workers of the home."""
    Path(premises.home.path, f"{name}.py").write_text(text)


def call_submission(premises: Premises, function: str, args: dict[str, Any], **changes: Any) -> Submission:
    """A call; ``changes`` name fields of the spec or of the submission."""
    fields = JobSpec.__dataclass_fields__
    given = {key: value for key, value in changes.items() if key in fields}
    spec = JobSpec(
        **{"call": Call(f"toys:{function}", args), "cwd": str(premises.root), "supervisor_env": True, **given}
    )
    rest = {key: value for key, value in changes.items() if key not in fields}
    return Submission(**{"name": function, **rest}, spec=spec, environment={}, kind=JobKind.FUNCTION)


def call(premises: Premises, function: str, args: dict[str, Any] | None = None, **changes: Any) -> JobId:
    """A stored call of a toy."""
    return submit(
        premises.store, [call_submission(premises, function, args or {}, **changes)], premises.clock
    )[0]
