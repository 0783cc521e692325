"""From what a caller asks for to a complete, checked submission: defaults merged, nothing taken on trust."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from jobctl.actions.requests import JobRequest
from jobctl.actions.supervisors import wake
from jobctl.clock import Clock, Milliseconds, to_datetime, to_ms
from jobctl.errors import BadInputError, NotFoundError
from jobctl.model.durations import parse_duration
from jobctl.model.environments import is_secret_name, parse_env_file, split_environment
from jobctl.model.instants import LocalZone, parse_instant, require_future
from jobctl.model.names import check_name, check_priority, check_queue_name, check_tag, parse_whole
from jobctl.model.queues import DEFAULT_QUEUE
from jobctl.model.specs import JobSpec, OnCrash, RetryPolicy, Submission
from jobctl.model.states import JobId, LifeId
from jobctl.settings import Settings
from jobctl.store import Store

MOST_ATTEMPTS = 1000
LARGEST_BACKOFF = 100.0
LARGEST_ENV_FILE = 1 << 20

_BACKOFF = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_FALLBACK_NAME = "job"
_FLEETING = ("/dev/fd/", "/dev/std", "/proc/self/")
"""What the shell's ``<(…)`` gives: another file, or none, by the time the job starts."""


@dataclass(frozen=True, slots=True)
class CallerContext:
    """Where a caller stands. Texts hold bytes that are not UTF-8 as lone surrogates (PEP 383)."""

    cwd: str
    environment: Mapping[str, str]
    umask: int
    now: Milliseconds
    home: str

    @property
    def job_id(self) -> JobId | None:
        """The job of this home that the caller is a process of, if it is one."""
        text = self.environment.get("JOBCTL_JOB_ID", "")
        home = self.environment.get("JOBCTL_HOME", "")
        if not re.fullmatch(r"[1-9][0-9]{0,17}", text) or not home:
            return None
        return (
            JobId(int(text))
            if os.path.realpath(native(home)) == os.path.realpath(native(self.home))
            else None
        )


def caller_context(home: str, now: Milliseconds) -> CallerContext:
    """The context of this process."""
    umask = os.umask(0o077)
    os.umask(umask)
    environment = {portable(name): portable(value) for name, value in os.environb.items()}
    return CallerContext(portable(os.getcwdb()), environment, umask, now, home)


def portable(text: str | bytes) -> str:
    """A word of this process (in its locale) as every other process reads it from the store."""
    return os.fsencode(text).decode("utf-8", "surrogateescape")


def native(text: str) -> bytes:
    """The bytes that the system knows a stored text by."""
    return text.encode("utf-8", "surrogateescape")


class SubmissionBuilder:
    """Turns the requests of one caller into submissions; what they share is looked up once.

    Args:
        caller: where the requests come from.
        settings: what holds where a request does not say otherwise.
        queues: gives the names of the queues there are; asked only if a request names one.
    """

    def __init__(
        self, caller: CallerContext, settings: Settings, queues: Callable[[], Collection[str]]
    ) -> None:
        self._caller = caller
        self._settings = settings
        self._find_queues = queues
        self._parent = caller.job_id
        self._directories: dict[str, str] = {}
        self._inputs: dict[str, str] = {}
        self._files: dict[str, dict[str, str]] = {}
        self._environments: dict[tuple[bool, tuple[str, ...]], tuple[dict[str, str], tuple[str, ...]]] = {}
        self.left_out: set[str] = set()
        """Names that looked secret and were left out of what is stored, without the caller naming them."""

    def build(self, request: JobRequest) -> Submission:
        """The checked submission.

        Raises:
            BadInputError: something is wrong with it.
            NotFoundError: there is no such queue.
        """
        environment, secret = self._environment(request)
        eligible_at = self._eligible_at(request)
        detached = request.detach or self._parent is None
        return Submission(
            name=_name(request),
            spec=self._spec(request, secret),
            environment=environment,
            queue=self._queue(request.queue),
            priority=self._priority(request.priority),
            type=_label(request.type, "type"),
            category=_label(request.category, "category"),
            user=_label(request.user, "user"),
            tags=tuple(check_tag(tag) for tag in request.tags),
            meta=request.meta,
            parent_id=None if detached else self._parent,
            submitted_by=None if self._parent is None else f"job:{self._parent}",
            hold=request.hold,
            eligible_at=eligible_at,
        )

    def _spec(self, request: JobRequest, secret: tuple[str, ...]) -> JobSpec:
        _check_command(request)
        cwd = self._directory(request.cwd)
        settings = self._settings
        return JobSpec(
            command=request.command or (),
            shell=request.shell,
            cwd=cwd,
            umask=self._caller.umask,
            env=self._variables(request, cwd),
            secret_env=secret,
            stdin=self._input(request.stdin),
            split_output=request.split_output,
            keep_children=request.keep_children,
            on_crash=_on_crash(request.on_crash),
            timeout_seconds=_seconds(request.timeout, "timeout", settings.default_timeout) or None,
            grace_seconds=_seconds(request.grace, "grace", settings.default_grace, allow_zero=True),
            retry=self._retry(request),
        )

    def _retry(self, request: JobRequest) -> RetryPolicy:
        settings = self._settings
        most = settings.default_max_delay
        if request.max_delay is not None:
            most = parse_duration(request.max_delay, "max delay", allow_zero=True)
        delay = min(settings.default_retry_delay, most)
        if request.retry_delay is not None:
            delay = parse_duration(request.retry_delay, "retry delay", allow_zero=True)
            if delay > most:
                hint = "give a larger max delay" if request.max_delay else f"the max delay is {most:g}s"
                raise BadInputError("retry delay exceeds max delay", request.retry_delay, hint, "E_DURATION")
        attempts = settings.default_attempts
        if request.attempts is not None:
            attempts = parse_whole(request.attempts, "attempts", 1, MOST_ATTEMPTS)
        backoff = settings.default_backoff if request.backoff is None else parse_backoff(request.backoff)
        return RetryPolicy(attempts, delay, backoff, most, _exit_codes(request.retry_on))

    def _eligible_at(self, request: JobRequest) -> Milliseconds | None:
        if request.at is not None and request.in_ is not None:
            raise BadInputError("at and in exclude each other", hint="give one of them", code="E_USAGE")
        if request.in_ is not None:
            return self._caller.now + round(parse_duration(request.in_, "delay", allow_zero=True) * 1000)
        if request.at is None:
            return None
        now = to_datetime(self._caller.now)
        return to_ms(
            require_future(parse_instant(request.at, now, "time", LocalZone()), now, given=request.at)
        )

    def _queue(self, name: str | None) -> str:
        if name is None:
            return DEFAULT_QUEUE
        if name not in self._queues:
            raise unknown_queue(name, self._queues)
        return name

    @cached_property
    def _queues(self) -> Collection[str]:
        return frozenset(self._find_queues())

    def _priority(self, text: str | None) -> int:
        return self._settings.default_priority if text is None else check_priority(text)

    def _environment(self, request: JobRequest) -> tuple[dict[str, str], tuple[str, ...]]:
        """What is stored of the caller's environment (one object for all alike), and names taken at start."""
        key = (request.clean_env, request.secret_env)
        if key not in self._environments:
            for name in request.secret_env:
                _check_variable_name(name)
            named = set(request.secret_env)
            inherited = {} if request.clean_env else self._caller.environment
            kept, left_out = split_environment(inherited, secret=request.secret_env)
            self.left_out |= set(left_out) - named
            self._environments[key] = kept, tuple(sorted(named | set(left_out)))
        return self._environments[key]

    def _variables(self, request: JobRequest, cwd: str) -> dict[str, str]:
        given = dict(request.env)
        if request.env_file is not None:
            given = self._env_file(request.env_file) | given
        for name in given:
            if is_secret_name(name):
                hint = f"use --secret-env {_shown_name(name)} and put the value into secrets.env of the home"
                raise BadInputError("secret values are not stored", name, hint, "E_SECRET")
        if cwd != self._caller.cwd and not request.clean_env:
            given.setdefault("PWD", cwd)
        return given

    def _env_file(self, path: str) -> dict[str, str]:
        if path not in self._files:
            full = self._absolute(path, "env file")
            try:
                self._files[path] = parse_env_file(_read_text(full), path)
            except OSError as error:
                raise BadInputError(
                    f"cannot read the env file ({error.strerror})", path, code="E_FILE"
                ) from None
        return self._files[path]

    def _directory(self, path: str | None) -> str:
        if path is None:
            return self._caller.cwd
        if path not in self._directories:
            full = self._absolute(path, "working directory")
            try:
                found = os.stat(native(full))
            except OSError as error:
                what = f"cannot use the working directory ({error.strerror})"
                raise BadInputError(what, path, "it must exist now", "E_CWD") from None
            if not stat.S_ISDIR(found.st_mode):
                raise BadInputError("the working directory is not a directory", path, code="E_CWD")
            self._directories[path] = full
        return self._directories[path]

    def _input(self, path: str | None) -> str | None:
        if path is None:
            return None
        if path == "-":
            raise BadInputError(
                "only run reads standard input", path, "name a file, or use: jobctl run", "E_STDIN"
            )
        if path not in self._inputs:
            full = self._absolute(path, "stdin file")
            _check_readable(full, path)
            self._inputs[path] = full
        return self._inputs[path]

    def _absolute(self, path: str, what: str) -> str:
        if not path or "\0" in path:
            raise BadInputError(f"the {what} is no path", path, "name one", "E_FILE")
        full = os.path.join(self._caller.cwd, path)
        # Past a symbolic link, ".." is not what normpath makes of it.
        if ".." in full.split("/"):
            return os.path.realpath(native(full)).decode("utf-8", "surrogateescape")
        return os.path.normpath(full)


def unknown_queue(name: str, queues: Collection[str]) -> NotFoundError:
    """The error for a queue that does not exist, with what was probably meant.

    Raises:
        BadInputError: it could not even be the name of one.
    """
    from difflib import get_close_matches  # only on the way to an error

    check_queue_name(name)
    near = get_close_matches(name, queues, 1)
    hint = f"did you mean {near[0]}?" if near else f"add it with: jobctl queue add {name}"
    return NotFoundError("no such queue", name, hint)


def parse_backoff(text: str) -> float:
    """The factor by which the delay grows from retry to retry.

    Raises:
        BadInputError: ``E_NUMBER``: no plain decimal, or outside 1..100.
    """
    if not re.fullmatch(_BACKOFF, text) or not 1 <= float(text) <= LARGEST_BACKOFF:
        raise BadInputError("bad backoff", text, "give a factor from 1 to 100, such as 2 or 1.5", "E_NUMBER")
    return float(text)


def _check_command(request: JobRequest) -> None:
    if request.command is not None and request.shell is not None:
        raise BadInputError("a command and a shell line", hint="give one of them", code="E_COMMAND")
    if request.shell is not None:
        if not request.shell.strip():
            raise BadInputError("the shell line is empty", request.shell, "give it a command", "E_COMMAND")
        _check_nul(request.shell)
        return
    if request.command is None:
        raise BadInputError("a command is missing", hint="it follows --, as in: -- CMD …", code="E_COMMAND")
    if not request.command or not request.command[0]:
        raise BadInputError("the command is empty", hint="name a program after --", code="E_COMMAND")
    for word in request.command:
        _check_nul(word)


def _check_nul(text: str) -> None:
    if "\0" in text:
        raise BadInputError("NUL character in the command", text, "no program can be given one", "E_COMMAND")


def _name(request: JobRequest) -> str:
    if request.name is not None:
        return check_name(request.name)
    if request.command:
        return _name_of(request.command[0])
    words = (request.shell or "").split(maxsplit=1)
    return _name_of(words[0]) if words else _FALLBACK_NAME


@lru_cache(maxsize=256)
def _name_of(program: str) -> str:
    try:
        return check_name(os.path.basename(program))
    except BadInputError:
        return _FALLBACK_NAME


def _label(text: str | None, what: str) -> str | None:
    return None if text is None else check_tag(text, what)


def _seconds(text: str | None, what: str, default: float, *, allow_zero: bool = False) -> float:
    return default if text is None else parse_duration(text, what, allow_zero=allow_zero)


def _exit_codes(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    return tuple(sorted({parse_whole(code, "exit code", 0, 255) for code in text.split(",")}))


def _on_crash(text: str | None) -> OnCrash:
    if text is None:
        return OnCrash.RETRY
    try:
        return OnCrash(text)
    except ValueError:
        raise BadInputError("bad on-crash", text, "give retry or fail", "E_FIELD") from None


def _check_variable_name(name: str) -> None:
    if not name or re.search(r"[=\0*?\[\s]", name):
        # What follows "=" may be a secret: it is never shown.
        shown = name.partition("=")[0]
        raise BadInputError(
            "secret-env takes a name alone", shown, "its value is read when the job starts", "E_ENV"
        )


def _shown_name(name: str) -> str:
    return name if name.isidentifier() and len(name) <= 60 else "NAME"


def _read_text(path: str) -> str:
    with open(os.open(native(path), os.O_RDONLY | os.O_CLOEXEC), "rb") as file:
        data = file.read(LARGEST_ENV_FILE + 1)
    if len(data) > LARGEST_ENV_FILE:
        raise BadInputError("the env file is above 1 MiB", path, "is it the right file?", "E_FILE")
    return data.decode("utf-8", "surrogateescape")


def _check_readable(path: str, shown: str) -> None:
    """The file can be read when the job starts, as far as one can tell without opening a FIFO."""
    try:
        found = os.stat(native(path))
    except OSError as error:
        raise BadInputError(f"cannot read the stdin file ({error.strerror})", shown, code="E_FILE") from None
    if stat.S_ISDIR(found.st_mode):
        raise BadInputError("the stdin file is a directory", shown, "name a file", "E_FILE")
    if path.startswith(_FLEETING):
        raise BadInputError(
            "the stdin file ends with this command", shown, "name a file that stays", "E_FILE"
        )
    if not os.access(native(path), os.R_OK):
        raise BadInputError("cannot read the stdin file (Permission denied)", shown, code="E_FILE")


def submit(
    store: Store, submissions: Sequence[Submission], clock: Clock, life: LifeId | None = None
) -> list[JobId]:
    """All of ``submissions`` are on disk and the supervisor awake, or (on any error) none is stored.

    Raises:
        NotFoundError: a queue has gone since it was checked.
    """
    with store.write():
        _check_queues(store, submissions)
        ids = store.submissions.submit(_with_known_parents(store, submissions), clock.now_ms(), life)
    wake(store.home)
    return ids


def _check_queues(store: Store, submissions: Iterable[Submission]) -> None:
    known = store.queues.names()
    for queue in {submission.queue for submission in submissions}.difference(known):
        raise unknown_queue(queue, known)


def _with_known_parents(store: Store, submissions: Sequence[Submission]) -> list[Submission]:
    """A parent that is not (or no longer) in this store is none."""
    parents = {job.parent_id for job in submissions if job.parent_id is not None}
    missing = parents.difference(store.jobs.statuses(parents))
    return [replace(job, parent_id=None) if job.parent_id in missing else job for job in submissions]
