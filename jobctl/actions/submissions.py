"""From what a caller asks for to a complete, checked submission: defaults merged, nothing taken on trust."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from jobctl.actions.callers import CallerContext, native
from jobctl.actions.command_checks import check_command, check_nul, job_name
from jobctl.actions.input_files import check_directory, check_stdin_file, read_env_file
from jobctl.actions.requests import JobRequest
from jobctl.clock import Milliseconds, to_datetime, to_ms
from jobctl.errors import BadInputError, NotFoundError
from jobctl.model.dependencies import Condition, Dependency
from jobctl.model.durations import parse_duration
from jobctl.model.environments import is_reserved_name, matching_names, parse_env_file, split_environment
from jobctl.model.homes import Home
from jobctl.model.instants import LocalZone, parse_instant, require_future
from jobctl.model.names import check_key, check_priority, check_queue_name, check_tag, parse_whole
from jobctl.model.queues import DEFAULT_QUEUE
from jobctl.model.selectors import parse_selector
from jobctl.model.sizes import parse_size
from jobctl.model.specs import JobSpec, OnCrash, OnDuplicate, RetryPolicy, Submission
from jobctl.model.states import JobId, JobKind
from jobctl.settings import Settings

if TYPE_CHECKING:
    from jobctl.actions.functions import Functions
    from jobctl.model.calls import Call

MOST_ATTEMPTS = 1000
LARGEST_BACKOFF = 100.0
MOST_OF_A_RESOURCE = 100_000

_BACKOFF = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"


class SubmissionBuilder:
    """Turns the requests of one caller into submissions; what they share is looked up once.

    Args:
        caller: where the requests come from.
        settings: what holds where a request does not say otherwise.
        queues: gives the names of the queues there are; asked only if a request names one.
        find: gives the ids that a selector stands for as something to wait for; see ``admissions.needed_jobs``.
        functions: gives what may be called, asked only if a request calls something; without it nothing may be.
        waits: whether somebody sits there who may wait for what a FIFO will say.
    """

    def __init__(
        self,
        caller: CallerContext,
        settings: Settings,
        queues: Callable[[], Collection[str]],
        find: Callable[[str], Sequence[JobId]] | None = None,
        *,
        functions: Callable[[], Functions] | None = None,
        waits: bool = True,
    ) -> None:
        self._caller = caller
        self._settings = settings
        self._find_queues = queues
        self._find_jobs = find
        self._waits = waits
        self._find_functions = functions
        self.functions: Functions | None = None
        """What may be called, once a request called something."""
        self._found: dict[str, Sequence[JobId]] = {}
        self._parent = caller.job_id
        self._submitter = caller.submitter
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
        check_command(request)
        environment, secret = self._environment(request)
        eligible_at = self._eligible_at(request)
        detached = request.detach or self._parent is None
        return Submission(
            name=job_name(request),
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
            submitted_by=self._submitter,
            hold=request.hold,
            eligible_at=eligible_at,
            after=self._after(request),
            unique_key=None if request.unique is None else check_key(request.unique, "unique key"),
            on_duplicate=_on_duplicate(request),
            lock_key=None if request.lock is None else check_key(request.lock, "lock key"),
            resources={
                name: parse_whole(amount, f"amount of {name}", 1, MOST_OF_A_RESOURCE)
                for name, amount in request.resources.items()
            },
            kind=JobKind.COMMAND if request.call is None else JobKind.FUNCTION,
            definition=request.definition,
        )

    @cached_property
    def _function_directory(self) -> str:
        """Where functions run: beside the file, whoever calls them from wherever."""
        from jobctl.actions.functions import function_directory  # only function jobs pay for it

        directory = function_directory(Home(self._caller.home))
        self._directories[directory] = directory  # a new home is made with its first job
        return directory

    def _call(self, request: JobRequest) -> Call | None:
        if request.call is None:
            return None
        if self._find_functions is None:
            hint = "give a command: -- CMD …"
            raise BadInputError("no function can be called here", request.call, hint, "E_FUNCTION")
        self.functions = self.functions or self._find_functions()
        return self.functions.call(request)

    def _after(self, request: JobRequest) -> tuple[Dependency, ...]:
        needs = {
            Dependency(job_id, condition): None
            for condition, texts in (
                (Condition.SUCCESS, request.after),
                (Condition.ANY, request.after_any),
                (Condition.FAILURE, request.after_failed),
            )
            for text in texts
            for job_id in self._needed(text)
        }
        return tuple(needs)

    def _needed(self, selector: str) -> Sequence[JobId]:
        if selector not in self._found:
            if self._find_jobs is None:
                parse_selector(selector)
                raise NotFoundError("no such job", selector, "nothing was submitted yet")
            self._found[selector] = self._find_jobs(selector)
        return self._found[selector]

    def _spec(self, request: JobRequest, secret: tuple[str, ...]) -> JobSpec:
        is_call = request.call is not None
        cwd = self._function_directory if is_call and not request.cwd else self._directory(request.cwd)
        settings = self._settings
        return JobSpec(
            command=request.command or (),
            shell=request.shell,
            call=self._call(request),
            cwd=cwd,
            umask=self._caller.umask,
            env=self._variables(request, cwd),
            secret_env=secret,
            supervisor_env=(request.supervisor_env or is_call) and not request.clean_env,
            stdin=self._input(request.stdin),
            split_output=request.split_output,
            keep_children=request.keep_children,
            on_crash=settings.default_on_crash if request.on_crash is None else _on_crash(request.on_crash),
            timeout_seconds=_seconds(request.timeout, "timeout", settings.default_timeout) or None,
            grace_seconds=_seconds(request.grace, "grace", settings.default_grace, allow_zero=True),
            retry=self._retry(request),
            nice=0 if request.nice is None else parse_nice(request.nice),
            max_memory_bytes=None
            if request.max_memory is None
            else parse_size(request.max_memory, "max memory"),
            max_log_bytes=None if request.max_log is None else parse_size(request.max_log, "max log"),
            progress_from=None if request.progress_from is None else _pattern(request.progress_from),
            on_success=_hook(request.on_success, "on-success"),
            on_failure=_hook(request.on_failure, "on-failure"),
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
        bare = request.clean_env or request.supervisor_env or request.call is not None
        key = (bare, request.secret_env)
        if key not in self._environments:
            for name in request.secret_env:
                _check_variable_name(name)
            named = set(request.secret_env)
            inherited = {} if bare else self._caller.environment
            settings = self._settings
            secret = (*request.secret_env, *settings.secret_env)
            kept, left_out = split_environment(inherited, settings.pass_env, secret=secret)
            # Who has named them, here or in the settings, need not be told.
            self.left_out |= set(left_out) - named - set(matching_names(left_out, settings.secret_env))
            self._environments[key] = kept, tuple(sorted(named | set(left_out)))
        return self._environments[key]

    def _variables(self, request: JobRequest, cwd: str) -> dict[str, str]:
        given = dict(request.env)
        if request.env_file is not None:
            given = self._env_file(request.env_file) | given
        for name in given:
            if is_reserved_name(name):
                hint = "jobctl sets these for each attempt; choose another name"
                raise BadInputError("this variable is jobctl's own", name, hint, "E_ENV")
            if split_environment({name: ""}, self._settings.pass_env, secret=self._settings.secret_env)[1]:
                hint = f"use --secret-env {_shown_name(name)} and put the value into secrets.env of the home"
                raise BadInputError("secret values are not stored", name, hint, "E_SECRET")
        is_elsewhere = cwd != self._caller.cwd or request.supervisor_env
        if is_elsewhere and not request.clean_env and request.call is None:
            given.setdefault("PWD", cwd)
        return given

    def _env_file(self, path: str) -> dict[str, str]:
        if path not in self._files:
            full = self._absolute(path, "env file")
            text = read_env_file(full, path, waits=self._waits)
            self._files[path] = parse_env_file(text, path)
        return self._files[path]

    def _directory(self, path: str | None) -> str:
        if path is None:
            return self._caller.cwd
        if path not in self._directories:
            full = self._absolute(path, "working directory")
            check_directory(full, path)
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
            check_stdin_file(full, path)
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


def _label(text: str | None, what: str) -> str | None:
    return None if text is None else check_tag(text, what)


def _seconds(text: str | None, what: str, default: float, *, allow_zero: bool = False) -> float:
    return default if text is None else parse_duration(text, what, allow_zero=allow_zero)


def _exit_codes(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    return tuple(sorted({parse_whole(code, "exit code", 0, 255) for code in text.split(",")}))


def _on_crash(text: str) -> OnCrash:
    try:
        return OnCrash(text)
    except ValueError:
        raise BadInputError("bad on-crash", text, "give retry or fail", "E_FIELD") from None


def _on_duplicate(request: JobRequest) -> OnDuplicate:
    if request.on_duplicate is None:
        return OnDuplicate.RETURN
    if request.unique is None:
        raise BadInputError("on-duplicate without unique", hint="give --unique KEY too", code="E_USAGE")
    try:
        return OnDuplicate(request.on_duplicate)
    except ValueError:
        hint = "give return, reject or replace"
        raise BadInputError("bad on-duplicate", request.on_duplicate, hint, "E_FIELD") from None


def parse_nice(text: str) -> int:
    """The niceness that ``text`` writes: 0 to 19, below 0 only as root.

    Raises:
        BadInputError: ``E_NUMBER``.
    """
    return parse_whole(text, "nice", -20 if os.geteuid() == 0 else 0, 19)


def _pattern(text: str) -> str:
    from jobctl.model.progress_patterns import parse_progress_pattern  # few jobs have one

    return parse_progress_pattern(text).text


def _hook(line: str | None, what: str) -> str | None:
    if line is None:
        return None
    if not line.strip():
        raise BadInputError(f"the {what} line is empty", line, "give it a command", "E_COMMAND")
    check_nul(line)
    return line


def _check_variable_name(name: str) -> None:
    if not name or re.search(r"[=\0*?\[\s]", name):
        # What follows "=" may be a secret: it is never shown.
        shown = name.partition("=")[0]
        raise BadInputError(
            "secret-env takes a name alone", shown, "its value is read when the job starts", "E_ENV"
        )


def _shown_name(name: str) -> str:
    return name if name.isidentifier() and len(name) <= 60 else "NAME"
