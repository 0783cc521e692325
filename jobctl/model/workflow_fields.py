"""The tables of workflow files: every key of a workflow, a step and their parts; reader and JSON Schema follow them."""

from __future__ import annotations

from jobctl.model.calls import check_function
from jobctl.model.fields import Choice, Described, Duration, Factor, Field, Text, Truth, Whole, table_of
from jobctl.model.job_fields import check_variable
from jobctl.model.names import LEAST_URGENT, MOST_URGENT, check_name, check_queue_name
from jobctl.model.nested_fields import Anything, Mapped, Named, Texts, Written
from jobctl.model.parameter_fields import PARAMETERS
from jobctl.model.setting_fields import MOST_ATTEMPTS, MOST_SLOTS
from jobctl.model.workflow_kinds import (
    Approve,
    Codes,
    Command,
    Foreach,
    Occasions,
    Outputs,
    Resources,
    Share,
    Short,
    Steps,
    check_step_id,
)
from jobctl.model.workflows import Trigger, UndoIf


def _any_name(text: str) -> str:
    return text


COMMAND = Command()
RETRY = table_of(
    "key of retry",
    Field("times", Whole(0, MOST_ATTEMPTS - 1), "how often it is tried again after the first attempt"),
    Field("delay", Duration(allow_zero=True), "before the second attempt", "5s"),
    Field("backoff", Factor(1, 100), "the delay grows by this factor", "2"),
    Field("max_delay", Duration(allow_zero=True), "the delay grows no further", "1h"),
    Field("on_exit", Codes(), "try again only after these exit codes"),
    other_words={
        "attempts": "times (without the first attempt)", "max_attempts": "times (without the first attempt)",
        "limit": "times", "count": "times", "max": "times", "retries": "times", "interval": "delay", "wait": "delay",
        "interval_sec": "delay (10s, 5m)", "factor": "backoff", "multiplier": "backoff", "max_interval": "max_delay",
        "exit_codes": "on_exit", "exit_code": "on_exit", "retry_on": "on_exit", "on": "on_exit",
    },
)  # fmt: skip
_RETRY_KIND = Short(RETRY, "times", "a number or keys such as {times: 3, delay: 10s}")
_FUNCTION = Text("module:function", check_function)
UNDO = table_of(
    "key of undo",
    Field("run", COMMAND, "what takes back what the step did"),
    Field("call", _FUNCTION, "or the Python function that does"),
    Field("with", Named(_any_name, Anything(), "names and values"), "what `call` is given"),
    Field("args", Named(_any_name, Anything(), "names and values"), "the same as `with`"),
    Field("timeout", Duration(), "end it when it runs longer"),
    Field("retry", _RETRY_KIND, "when it fails"),
)
APPROVE = table_of(
    "key of approve",
    Field("prompt", Text("a question", templates=True), "what is asked"),
    Field("expires", Duration(), "the answer is no after this time"),
    other_words={
        "message": "prompt",
        "question": "prompt",
        "text": "prompt",
        "timeout": "expires",
        "expiry": "expires",
    },
)
_VARIABLES = Named(check_variable, Written(), "names and values such as {LEVEL: 3}")


_WORK: tuple[Field[Described], ...] = (
    Field("retry", _RETRY_KIND, "when it fails"),
    Field("timeout", Duration(), "end an attempt that runs longer"),
    Field("cwd", Text("a path", templates=True), "its working directory; else that of the file"),
    Field("env", _VARIABLES, "variables on top of the caller's"),
    Field("queue", Text("the name of a queue", check_queue_name), "its queue", "default"),
    Field("resources", Resources(), "how much it takes of what"),
    Field("priority", Whole(MOST_URGENT, LEAST_URGENT), "1 (most urgent) to 10", "5"),
    Field("continue_on_error", Truth(), "go on behind it when it failed", "false"),
    Field("idempotent", Truth(), "it may be repeated when an attempt is lost", "true"),
)
_WORK_WORDS = {
    "retries": "retry ({times: 3, delay: 10s})", "attempts": "retry ({times: 3})", "retry_policy": "retry",
    "retrypolicy": "retry", "max_retries": "retry ({times: 3})", "timeout_minutes": "timeout (20m, 2h)",
    "timeout_seconds": "timeout (90s)", "timeout_sec": "timeout (90s)", "timeoutsec": "timeout (90s)",
    "activedeadlineseconds": "timeout (90s)", "workdir": "cwd", "dir": "cwd", "directory": "cwd",
    "working_directory": "cwd", "working_dir": "cwd", "environment": "env", "pool": "queue", "resource": "resources",
    "ignore_errors": "continue_on_error", "ignore_error": "continue_on_error", "continueon": "continue_on_error",
    "continue_on": "continue_on_error", "allow_failure": "continue_on_error",
}  # fmt: skip
DEFAULTS = table_of("key of defaults", *_WORK, other_words=_WORK_WORDS)

STEP = table_of(
    "key of a step",
    Field("id", Text("a text", check_step_id), "its name in this workflow"),
    Field("run", COMMAND, "what runs: a text is a shell line, a list is passed word for word"),
    Field("call", _FUNCTION, "the Python function it calls"),
    Field("workflow", Text("a file or a name", templates=False), "the workflow it runs as a part"),
    Field("approve", Approve(APPROVE), "what it asks a person; it waits for the answer"),
    Field("with", Named(_any_name, Anything(), "names and values"), "what `call` or `workflow` are given"),
    Field("args", Named(_any_name, Anything(), "names and values"), "the same as `with`"),
    Field("needs", Texts(Text("a step"), "a step or a list of steps", single=True), "the steps that end before it"),
    Field("when", Text("a condition", templates=True, types=(str, bool)), "it is skipped unless this holds"),
    Field("trigger", Choice(Trigger), "which ends of its needs make it start", Trigger.NONE_FAILED.value),
    Field("foreach", Foreach(), "it runs once for each `item`"),
    Field("parallel", Whole(1, MOST_SLOTS), "at most so many items at once"),
    Field("tolerate", Share(), "so many items may fail: `3` or `5%`", "0"),
    *_WORK,
    Field("resource", Resources(), "the same as `resources`"),
    Field("optional", Truth(), "when it is skipped, what needs it goes on", "false"),
    Field("outputs", Outputs(), "what it appends to `$JOBCTL_OUTPUT`, and the types"),
    Field("undo", Short(UNDO, "run", "a command or keys such as {run: …, timeout: 5m}"), "what rolls it back"),
    Field("undo_if", Choice(UndoIf), "`started`: also when it did not complete", UndoIf.COMPLETED.value),
    Field("help", Text(templates=True), "what it does"),
    other_words={
        **{word: meant for word, meant in _WORK_WORDS.items() if word != "resource"},
        "depends": "needs", "depends_on": "needs", "dependson": "needs", "dependencies": "needs", "after": "needs",
        "if": "when", "condition": "when", "preconditions": "when", "only_if": "when", "command": "run", "cmd": "run",
        "cmds": "run", "script": "run", "shell": "run", "bash": "run", "exec": "run",
        "name": "id", "step": "id", "key": "id", "function": "call", "python": "call (module:function)",
        "uses": "workflow", "subworkflow": "workflow", "include": "workflow", "manual": "approve",
        "approval": "approve",
        "trigger_rule": "trigger", "matrix": "foreach", "strategy": "foreach", "loop": "foreach", "for": "foreach",
        "for_each": "foreach", "with_items": "foreach", "withitems": "foreach", "items": "foreach",
        "max_parallel": "parallel", "concurrency": "parallel", "max_failures": "tolerate", "output": "outputs",
        "rollback": "undo", "compensate": "undo", "cleanup": "undo", "inputs": "with", "params": "with",
        "parameters": "with", "arguments": "with", "description": "help", "desc": "help", "title": "help",
    },
    explained={
        "on_failure": "give on_failure: for the whole workflow, or a step with trigger: any_failed",
        "on_exit": "give on_exit: for the whole workflow, or a step with trigger: all_done",
        "on_success": "make it a step that needs this one",
        "steps": "a step holds no steps; give workflow: FILE",
    },
)  # fmt: skip

WORKFLOW = table_of(
    "key of a workflow",
    Field("name", Text("a name", check_name), "its name; else that of the file"),
    Field("help", Text(templates=True), "what it does"),
    Field("params", PARAMETERS, "what may be given when it is run, by name"),
    Field("cwd", Text("a path", templates=True), "the working directory of its steps", "."),
    Field("env", _VARIABLES, "variables of all its steps"),
    Field("max_parallel", Whole(1, MOST_SLOTS), "at most so many steps at once"),
    Field("fail_fast", Truth(), "the first failure cancels the rest", "false"),
    Field("timeout", Duration(), "end the whole when it runs longer"),
    Field("rollback", Occasions(), "when undo commands run by themselves", "never"),
    Field("defaults", Mapped(DEFAULTS, "keys of steps"), "what holds for steps that do not say otherwise"),
    Field("steps", Steps(STEP), "what is done"),
    Field("on_failure", COMMAND, "runs once when the workflow failed, after the last retry"),
    Field("on_exit", COMMAND, "runs once at the end, however it ended"),
    other_words={
        "description": "help", "desc": "help", "title": "help", "parameters": "params", "inputs": "params",
        "vars": "params", "variables": "params", "arguments": "params", "jobs": "steps (a list: - id: NAME)",
        "tasks": "steps (a list: - id: NAME)", "targets": "steps (a list: - id: NAME)", "dag": "steps",
        "workdir": "cwd", "working_dir": "cwd", "working_directory": "cwd", "dir": "cwd", "environment": "env",
        "concurrency": "max_parallel", "parallelism": "max_parallel", "parallel": "max_parallel",
        "max_active_steps": "max_parallel", "maxactivesteps": "max_parallel", "failfast": "fail_fast",
        "timeout_minutes": "timeout (20m, 2h)", "timeout_seconds": "timeout (90s)", "timeoutsec": "timeout (90s)",
        "onfailure": "on_failure", "on_error": "on_failure", "onexit": "on_exit", "finally": "on_exit",
        "undo": "rollback",
    },
    explained={
        "on": "a schedule starts it: jobctl schedule add NAME --cron … -- jobctl workflow run FILE",
        "schedule": "a schedule starts it: jobctl schedule add NAME --cron … -- jobctl workflow run FILE",
        "retry": "give it to the steps: defaults: {retry: …}",
        "retries": "give it to the steps: defaults: {retry: {times: 3}}",
        "queue": "give it to the steps: defaults: {queue: …}",
        "on_success": "make it a last step that needs the others",
        "handlers": "give on_failure: and on_exit:",
        "handleron": "give on_failure: and on_exit:",
        "version": "leave it out; there is one version",
    },
)  # fmt: skip
