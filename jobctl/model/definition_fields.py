"""The sections ``jobs`` and ``schedules`` of ``jobctl.yaml``: their tables, and what is read by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from jobctl.errors import BadInputError, ExpressionError
from jobctl.model.builtin_definitions import BUILTIN, NAMESPACE
from jobctl.model.call_fields import ARGS, CALL, any_name, check_call_options
from jobctl.model.definitions import JOINER, Definition, ScheduleEntry, Source
from jobctl.model.fields import Described, Field, Table, Text
from jobctl.model.job_fields import COMMAND, OPTIONS, OTHER_WORDS
from jobctl.model.names import check_key, check_name
from jobctl.model.nested_fields import Anything, Mapped, Named, scalars
from jobctl.model.parameter_fields import PARAMETERS
from jobctl.model.parameters import Parameter, bind, unknown_parameter
from jobctl.model.readings import Entry, Reading, mark_of
from jobctl.model.schedule_fields import TIMES, check_times
from jobctl.model.schedule_texts import split_shorthand
from jobctl.model.secret_fields import Patterns, check_secrets
from jobctl.model.templates import Template
from jobctl.model.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode

LONGEST_ICON = 8
TEMPLATED = frozenset({"command", "args", "env", "cwd", "stdin", "name", "tags", "unique", "lock"})
"""The keys in whose values ``${{ params.x }}`` may stand."""


def _check_icon(text: str, what: str) -> None:
    # What joins several signs to one is invisible by itself.
    check_key(text.replace(JOINER, ""), what)
    if len(text) > LONGEST_ICON:
        raise BadInputError(
            f"{what} is longer than {LONGEST_ICON} characters", text, "give one sign", "E_NAME"
        )


WITH: Field[Described] = Field(
    "with", Named(any_name, Anything(), "parameters and their values"), "the parameters it gives the job"
)
JOB_SCHEDULE = Table(
    TIMES.noun, {**TIMES.fields, "with": WITH}, {**TIMES.other_words, "params": "with"}, TIMES.explained
)
_WHEN_ONE_RUNS = "say it when you submit it: jobctl submit NAME --in 2h; or use schedule:"
JOB = Table(
    "key of a job",
    {
        "command": COMMAND,
        "call": CALL,
        "args": ARGS,
        "parameters": Field("parameters", PARAMETERS, "what may be given when it is submitted, by name"),
        "help": Field("help", Text(templates=True), "what it does"),
        "icon": Field("icon", Text("a sign", _check_icon), "a sign for its card"),
        "schedule": Field(
            "schedule",
            Mapped(JOB_SCHEDULE, "'30 2 * * *', every 6h, or the keys of a schedule", split_shorthand),
            "when it is submitted by itself: `30 2 * * *`, `every 6h`, `daily 03:00`, or the keys below",
        ),
        **OPTIONS,
    },
    {
        **OTHER_WORDS, "description": "help", "desc": "help", "title": "help", "cron": "schedule",
        "crontab": "schedule", "every": "schedule ({every: 6h})", "daily": "schedule ({daily: '03:00'})",
        "params": "parameters", "inputs": "parameters", "emoji": "icon", "schedules": "schedule", "function": "call",
        "kwargs": "args", "arguments": "args",
    },
    {
        "at": _WHEN_ONE_RUNS,
        "in": _WHEN_ONE_RUNS,
        "steps": "workflows are not there yet; chain jobs with after:",
    },
)  # fmt: skip
_NOT_SCHEDULED = ("after", "after_any", "after_failed", "hold")
SCHEDULE = Table(
    TIMES.noun,
    {
        **TIMES.fields,
        "job": Field("job", Text("the name of a job above", check_name), "the job it runs"),
        "with": WITH,
        "command": Field("command", COMMAND.kind, "what it runs, in place of a job"),
        "call": Field("call", CALL.kind, "a Python function, in place of a job"),
        "args": ARGS,
        **{name: known for name, known in OPTIONS.items() if name not in _NOT_SCHEDULED},
    },
    {
        **OTHER_WORDS,
        **TIMES.other_words,
        "params": "with",
        "parameters": "with",
        "definition": "job",
        "function": "call",
        "kwargs": "args",
    },
    TIMES.explained,
)


def read_definitions(reading: Reading, node: Node, patterns: Patterns) -> dict[str, Definition]:
    """The definitions of ``jobs:`` by name; ``patterns`` say which variables look secret."""
    found: dict[str, Definition] = {}
    for entry in reading.entries(node, "jobs", "names of jobs"):
        if not reading.passes(entry, check_name):
            continue
        before = reading.problems
        if entry.name in BUILTIN:
            definition: Definition | None = _overridden(reading, entry)
        elif entry.name.startswith(NAMESPACE):
            known = ", ".join(BUILTIN)
            reading.add(entry.mark, f"names that start with {NAMESPACE} are jobctl's own", entry.name, known)
            continue
        else:
            definition = _definition(reading, entry)
        check_secrets(reading, entry.node, patterns)
        if definition is not None and reading.problems == before:
            found[entry.name] = definition
    return found


def read_schedules(
    reading: Reading,
    node: Node,
    definitions: Mapping[str, Definition],
    patterns: Patterns,
    *,
    declares: bool = False,
) -> list[ScheduleEntry]:
    """The schedules of ``schedules:``, in their order; ``patterns`` say which variables look secret.

    A job that is not in ``definitions`` is let through where modules may have declared it (``declares``).
    """
    found = []
    for entry in reading.entries(node, "schedules", "names of schedules"):
        if not reading.passes(entry, check_name):
            continue
        before = reading.problems
        given = reading.table(entry.node, entry.name, SCHEDULE)
        check_secrets(reading, entry.node, patterns)
        own = definitions.get(entry.name)
        if own is not None and own.schedule is not None:
            hint = f"the job {entry.name} has a schedule: of its own, of the same name; rename this one"
            reading.add(entry.mark, "schedule given twice", entry.name, hint)
        times = {name: value for name, value in given.items() if name in TIMES.fields}
        _check_times(reading, entry, times)
        job = given.get("job")
        if reading.problems == before:
            _check_target(reading, entry, given, definitions, declares=declares)
        if reading.problems == before:
            found.append(ScheduleEntry(entry.name, times, job, given.get("with", {}), _request(given)))
    return found


def own_schedules(definitions: Iterable[Definition]) -> list[ScheduleEntry]:
    """What ``schedule:`` at jobs says: a schedule named like its job."""
    return [
        ScheduleEntry(
            definition.name,
            {name: value for name, value in definition.schedule.items() if name != "with"},
            definition.name,
            definition.schedule.get("with", {}),
        )
        for definition in definitions
        if definition.schedule is not None
    ]


def _definition(reading: Reading, entry: Entry) -> Definition | None:
    given = reading.table(entry.node, entry.name, JOB)
    parameters = tuple(given.get("parameters", {}).values())
    names = {parameter.name for parameter in parameters}
    declared = isinstance(entry.node, MappingNode) and "parameters" in entry.node.entries
    if declared and len(names) < _count(entry.node, "parameters"):
        names |= _written_names(entry.node)  # a parameter that is wrong is no unknown one, too
    check_templates(reading, entry.node, JOB, names)
    if not _check_work(reading, entry, given):
        return None
    check_schedule(reading, entry, given, parameters)
    return Definition(
        name=entry.name,
        **_command(given),
        parameters=parameters,
        options={name: value for name, value in given.items() if name in OPTIONS},
        help=given.get("help", ""),
        icon=given.get("icon", ""),
        schedule=given.get("schedule"),
    )


def _check_work(reading: Reading, entry: Entry, given: Mapping[str, Any]) -> bool:
    """Whether the job has one thing to run; else, why not is told."""
    if "command" not in given and "call" not in given:
        if _is_nothing(entry.node) or (
            isinstance(entry.node, MappingNode) and not _means_command(entry.node)
        ):
            reading.add(entry.mark, f"{entry.name} has no command", None, "give command: or call:")
        return False
    check_call_options(reading, entry, given)
    return True


def _is_nothing(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value is None


def _means_command(node: MappingNode) -> bool:
    """Whether a problem about the command is told already."""
    words = {word.lower().replace("-", "_") for word in node.entries}
    return any(
        word in ("command", "call", "function") or OTHER_WORDS.get(word, "").startswith("command")
        for word in words
    )


def _overridden(reading: Reading, entry: Entry) -> Definition:
    """The built-in definition with the options and the schedule of the file."""
    own = BUILTIN[entry.name]
    given = reading.table(entry.node, entry.name, JOB)
    for key in ("command", "call", "args", "parameters"):
        if key in given:
            hint = "give it options and a schedule; for another command take another name"
            reading.add(mark_of(entry.node, key), f"{key} of {entry.name} is jobctl's own", None, hint)
    check_templates(reading, entry.node, JOB, {parameter.name for parameter in own.parameters})
    check_schedule(reading, entry, given, own.parameters)
    options = {name: value for name, value in given.items() if name in OPTIONS}
    return replace(
        own,
        options={**own.options, **options},
        schedule=given.get("schedule"),
        help=given.get("help", own.help),
        icon=given.get("icon", own.icon),
        source=Source.BUILTIN,
    )


def _command(given: Mapping[str, Any]) -> dict[str, Any]:
    if "call" in given:
        return {"call": given["call"], "args": given.get("args", {})}
    value = given["command"]
    return {"command": tuple(value)} if isinstance(value, list) else {"shell": value}


def _request(given: Mapping[str, Any]) -> dict[str, Any]:
    """The command and the options of a schedule as a line of ``submit --jsonl``."""
    found = {name: value for name, value in given.items() if name in OPTIONS}
    command = given.get("command")
    if "call" in given:
        return found | {"call": given["call"], "args": given.get("args", {})}
    if command is not None:
        found["command" if isinstance(command, list) else "shell"] = command
    return found


def _count(node: Node, key: str) -> int:
    value = node.entries[key][1] if isinstance(node, MappingNode) else None
    return len(value.entries) if isinstance(value, MappingNode) else 0


def _written_names(node: Node) -> set[str]:
    value = node.entries["parameters"][1] if isinstance(node, MappingNode) else None
    return set(value.entries) if isinstance(value, MappingNode) else set()


def check_schedule(
    reading: Reading, entry: Entry, given: Mapping[str, Any], parameters: tuple[Parameter, ...]
) -> None:
    """``schedule:`` of a job names instants, and gives the parameters that must be given."""
    schedule = given.get("schedule")
    if schedule is None or not isinstance(entry.node, MappingNode):
        return
    key, node = entry.node.entries["schedule"]
    _check_times(
        reading,
        Entry("schedule", key.mark, node),
        {name: value for name, value in schedule.items() if name != "with"},
    )
    _check_given(reading, Entry("schedule", key.mark, node), schedule.get("with", {}), parameters)


def _check_times(reading: Reading, entry: Entry, times: Mapping[str, Any]) -> None:
    """The keys name instants; a problem stands at its key. Where one is unknown, that is told already."""
    if isinstance(entry.node, MappingNode) and not entry.node.entries.keys() <= SCHEDULE.fields.keys():
        return
    for key, error in check_times(times):
        if isinstance(entry.node, MappingNode):
            reading.refuse(mark_of(entry.node, key) if key else entry.mark, error)
        else:
            reading.refuse(entry.node.mark, error)


def _check_target(
    reading: Reading,
    entry: Entry,
    given: Mapping[str, Any],
    definitions: Mapping[str, Definition],
    *,
    declares: bool,
) -> None:
    """A schedule runs a job that there is, or a command of its own."""
    _refuse_templates(reading, entry.node)
    job, command = given.get("job"), given.get("command")
    if "call" in given or "args" in given:
        check_call_options(reading, entry, given)
        command = given.get("call")
        if job is not None:
            return
    if (job is None) == (command is None):
        if job is None:
            reading.add(entry.mark, f"{entry.name} runs nothing", None, "give job:, command: or call:")
        else:
            reading.add(
                mark_of(entry.node, "command"), f"{entry.name} has a job and a command", None, "keep one"
            )
        return
    if job is None:
        if "with" in given:
            reading.add(mark_of(entry.node, "with"), "a command takes no parameters", None, "name a job:")
        return
    known = {**BUILTIN, **definitions}
    if job not in known and declares:
        return
    if job not in known:
        from jobctl.model.problems import did_you_mean

        reading.add(mark_of(entry.node, "job"), "no such job in this file", job, did_you_mean(job, known))
        return
    _check_given(reading, entry, given.get("with", {}), known[job].parameters)


def _check_given(
    reading: Reading, entry: Entry, given: Mapping[str, Any], parameters: tuple[Parameter, ...]
) -> None:
    """The parameters under ``with:`` fit the definition, each problem at its key."""
    known = {parameter.name: parameter for parameter in parameters}
    below = entry.node.entries.get("with") if isinstance(entry.node, MappingNode) else None
    for name, value in given.items():
        mark = mark_of(below[1], name) if below is not None else entry.mark
        try:
            if name not in known:
                raise unknown_parameter(name, known)
            bind((known[name],), {name: value}, "/", texts=False)
        except BadInputError as error:
            reading.refuse(mark, error)
    for name, parameter in known.items():
        if parameter.required and name not in given:
            hint = f"give it: with: {{{name}: …}}"
            reading.add(entry.mark, "the schedule gives no value for the parameter", name, hint)


def check_templates(reading: Reading, node: Node, table: Table, known: Iterable[str]) -> None:
    """Every ``${{ }}`` below ``node`` stands where it may and names a parameter in ``known``."""
    if not isinstance(node, MappingNode):
        return
    names = frozenset(known)
    for key, (_, value) in node.entries.items():
        if key not in table.fields or key not in TEMPLATED:
            continue
        for mark, text in scalars(value):
            if "${{" in text:
                is_shell = key == "command" and not _is_list(value)
                _check_template(reading, mark, text, names, is_shell=is_shell)


def _refuse_templates(reading: Reading, node: Node) -> None:
    """No ``${{ }}`` in a schedule: it has no parameters, and what it says over a job's is plain."""
    entries = node.entries if isinstance(node, MappingNode) else {}
    for key in TEMPLATED & entries.keys():
        for mark, text in scalars(entries[key][1]):
            if "${{" in text:
                hint = "name a job: with parameters, and give them under with:"
                reading.add(mark, "templates are not used in schedules", text, hint)


def _is_list(node: Node) -> bool:
    return isinstance(node, SequenceNode)


def _check_template(reading: Reading, mark: Any, text: str, names: frozenset[str], *, is_shell: bool) -> None:
    try:
        template = Template.parse(text, shell=is_shell)
    except ExpressionError as error:
        reading.add(mark, error.what, error.value, error.hint)
        return
    for reference in template.names():
        if reference.param is None:
            hint = "here only params.NAME is known"
            reading.add(mark, "no such value in a job", ".".join(reference.path), hint)
        elif reference.param not in names:
            reading.refuse(mark, unknown_parameter(reference.param, names))
