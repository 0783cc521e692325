"""Every verb and where it lives. Only the verb that is called is imported."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: ``function`` of ``module``; ``takes_command`` when an argv may follow ``--``."""

    module: str
    function: str
    summary: str
    takes_command: bool = False


@dataclass(frozen=True, slots=True)
class VerbGroup:
    """A noun with verbs of its own: ``jobctl queue add``; ``own`` is what the bare noun does: ``jobctl batch``."""

    summary: str
    verbs: dict[str, Verb]
    own: Verb | None = None


VERBS: dict[str, Verb | VerbGroup] = {
    "up": Verb("jobctl.cli.up", "up", "Run the supervisor in the foreground."),
    "down": Verb("jobctl.cli.supervisor", "down", "Ask the supervisor to stop."),
    "status": Verb(
        "jobctl.cli.supervisor", "status", "Show the supervisor, counts, what runs and what is next."
    ),
    "watch": Verb("jobctl.cli.watch", "watch", "Watch everything as it changes."),
    "reload": Verb("jobctl.cli.reload", "reload", "Read jobctl.yaml again and apply it."),
    "submit": Verb("jobctl.cli.submit", "submit", "Store a job and print its id.", takes_command=True),
    "run": Verb(
        "jobctl.cli.run", "run", "Submit a job, stream its output, exit with its code.", takes_command=True
    ),
    "list": Verb("jobctl.cli.listing", "list_", "List jobs, newest first."),
    "show": Verb("jobctl.cli.listing", "show", "Show everything known about one job."),
    "logs": Verb("jobctl.cli.logs", "logs", "Print or follow the output of a job."),
    "explain": Verb("jobctl.cli.explain", "explain", "Say why a job is not running, or why it ended so."),
    "history": Verb("jobctl.cli.history", "history", "List the runs of a name, newest first."),
    "wait": Verb("jobctl.cli.wait", "wait", "Wait until jobs have ended."),
    "cancel": Verb("jobctl.cli.jobs", "cancel", "Cancel jobs; a running one's whole process tree is ended."),
    "retry": Verb("jobctl.cli.jobs", "retry", "Run ended jobs again with a fresh attempt budget."),
    "hold": Verb("jobctl.cli.jobs", "hold", "Keep waiting jobs from starting."),
    "release": Verb("jobctl.cli.jobs", "release", "Let held jobs start."),
    "pause": Verb("jobctl.cli.jobs", "pause", "Stop the processes of running jobs."),
    "resume": Verb("jobctl.cli.jobs", "resume", "Let paused jobs go on."),
    "batch": VerbGroup(
        "Run a command for each of many items.",
        {
            "list": Verb("jobctl.cli.batch", "list_", "List batches with their counts."),
            "show": Verb("jobctl.cli.batch", "show", "Show one batch and which items failed."),
            "retry": Verb("jobctl.cli.batch", "retry", "Run items again that did not complete."),
        },
        own=Verb("jobctl.cli.batch", "batch", "Run a command for each of many items.", takes_command=True),
    ),
    "workflow": VerbGroup(
        "Steps that need each other, run as one.",
        {
            "run": Verb("jobctl.cli.workflow", "run", "Start a workflow and print its id."),
            "list": Verb("jobctl.cli.workflow", "list_", "List runs of workflows with their states."),
            "show": Verb("jobctl.cli.workflow", "show", "Show one run: each step with its state and reason."),
            "explain": Verb("jobctl.cli.workflow", "explain", "Say why a step ran or did not."),
            "validate": Verb("jobctl.cli.workflow_files", "validate", "Check workflow files; every problem."),
            "graph": Verb("jobctl.cli.workflow_files", "graph", "Draw the steps and what they need."),
            "schema": Verb("jobctl.cli.workflow_files", "schema", "Print the JSON Schema of workflow files."),
            "cancel": Verb("jobctl.cli.workflow_changes", "cancel", "End a run; no step starts any more."),
            "retry": Verb("jobctl.cli.workflow_changes", "retry", "Run again what did not complete."),
            "rollback": Verb("jobctl.cli.workflow_changes", "rollback", "Undo the steps that completed."),
            "approve": Verb("jobctl.cli.workflow_changes", "approve", "Let a step that asks go on."),
            "reject": Verb("jobctl.cli.workflow_changes", "reject", "Say no to a step that asks."),
        },
    ),
    "catalog": VerbGroup(
        "The jobs that have a name before they run.",
        {
            "list": Verb("jobctl.cli.catalog", "list_", "Show a card for each job of the catalog."),
            "show": Verb("jobctl.cli.catalog", "show", "Show one job of the catalog."),
            "validate": Verb("jobctl.cli.catalog", "validate", "Check jobctl.yaml."),
            "schema": Verb("jobctl.cli.catalog", "schema", "Print the JSON Schema of jobctl.yaml."),
        },
        own=Verb("jobctl.cli.catalog", "catalog", "Show the jobs that have a name before they run."),
    ),
    "edit": Verb("jobctl.cli.edit", "edit", "Change a job that waits."),
    "remove": Verb("jobctl.cli.removals", "remove", "Remove jobs with their logs; never running ones."),
    "prune": Verb("jobctl.cli.removals", "prune", "Remove ended jobs by age, state or number."),
    "progress": Verb("jobctl.cli.progress", "progress", "Report progress from inside a job."),
    "events": Verb("jobctl.cli.events", "events", "Print or follow what happened."),
    "stats": Verb("jobctl.cli.stats", "stats", "Show rates, durations, errors and how they change."),
    "report": Verb("jobctl.cli.report", "report", "Write an HTML page about a period."),
    "health": Verb("jobctl.cli.health", "health", "Tell by the exit code whether all is well."),
    "doctor": Verb("jobctl.cli.doctor", "doctor", "Examine this machine and this home, with remedies."),
    "metrics": Verb("jobctl.cli.metrics", "metrics", "Print figures for Prometheus."),
    "queue": VerbGroup(
        "Named lanes with a concurrency of their own.",
        {
            "list": Verb("jobctl.cli.queues", "list_", "List queues with their counts."),
            "add": Verb("jobctl.cli.queues", "add", "Add a queue."),
            "set": Verb("jobctl.cli.queues", "set_", "Change a queue."),
            "pause": Verb("jobctl.cli.queues", "pause", "Start nothing more from a queue."),
            "resume": Verb("jobctl.cli.queues", "resume", "Start and take jobs again."),
            "drain": Verb("jobctl.cli.queues", "drain", "Take no new jobs into a queue."),
            "remove": Verb("jobctl.cli.queues", "remove", "Remove a queue that has no jobs."),
        },
    ),
    "schedule": VerbGroup(
        "What is due when: cron, intervals, times, by hand.",
        {
            "add": Verb("jobctl.cli.schedule", "add", "Run a command at given times.", takes_command=True),
            "list": Verb("jobctl.cli.schedule_reading", "list_", "List schedules, what is due next first."),
            "show": Verb("jobctl.cli.schedule_reading", "show", "Show everything known about one schedule."),
            "edit": Verb("jobctl.cli.schedule", "edit", "Change a schedule.", takes_command=True),
            "remove": Verb("jobctl.cli.schedule", "remove", "Remove a schedule with its history."),
            "enable": Verb("jobctl.cli.schedule", "enable", "Let a schedule fire again."),
            "disable": Verb("jobctl.cli.schedule", "disable", "Keep a schedule from firing."),
            "run": Verb("jobctl.cli.schedule", "run", "Run a schedule's job now."),
            "history": Verb(
                "jobctl.cli.schedule_reading", "history", "List what became of its slots, and why."
            ),
            "why": Verb("jobctl.cli.schedule_reading", "why", "Say why a schedule fires or does not."),
            "next": Verb(
                "jobctl.cli.schedule_reading", "next_", "Print when a schedule or a rule fires next."
            ),
        },
    ),
    "daemon": VerbGroup(
        "Processes that are kept alive.",
        {
            "add": Verb("jobctl.cli.daemon", "add", "Declare a daemon.", takes_command=True),
            "list": Verb("jobctl.cli.daemon", "list_", "List daemons with their state."),
            "show": Verb("jobctl.cli.daemon", "show", "Show everything known of daemons."),
            "start": Verb("jobctl.cli.daemon", "start", "Start daemons and wait until they are ready."),
            "stop": Verb("jobctl.cli.daemon", "stop", "Stop daemons; they stay stopped."),
            "restart": Verb("jobctl.cli.daemon", "restart", "Stop and start daemons."),
            "remove": Verb("jobctl.cli.daemon", "remove", "Stop daemons and forget them."),
            "edit": Verb("jobctl.cli.daemon", "edit", "Change daemons.", takes_command=True),
            "check": Verb("jobctl.cli.daemon", "check", "Tell by the exit code whether all are up."),
            "logs": Verb("jobctl.cli.daemon_logs", "logs", "Print or follow the output of a daemon."),
            "jobs": Verb("jobctl.cli.daemon_waits", "jobs", "List the jobs that a daemon has submitted."),
            "wait": Verb("jobctl.cli.daemon_waits", "wait", "Wait until a daemon is in a state."),
        },
    ),
    "notify": VerbGroup(
        "Tell people when something fails, ends or waits.",
        {
            "list": Verb("jobctl.cli.notify", "list_", "List targets, how they fared, and the rules."),
            "test": Verb("jobctl.cli.notify", "test", "Send a trial message to a target."),
            "deliver": Verb("jobctl.cli.notify", "deliver", "Tell what its job was stored to tell."),
        },
    ),
    "db": VerbGroup(
        "The store: one SQLite file.",
        {
            "path": Verb("jobctl.cli.store", "path", "Print where the store is."),
            "info": Verb("jobctl.cli.store", "info", "Show version, size and settings of the store."),
            "check": Verb("jobctl.cli.store", "check", "Examine the store; exit 1 on damage."),
            "backup": Verb("jobctl.cli.store", "backup", "Copy the store while others use it."),
            "migrate": Verb(
                "jobctl.cli.store", "migrate", "Create the store or bring it to the newest schema."
            ),
            "vacuum": Verb("jobctl.cli.store", "vacuum", "Give unused room back to the file system."),
        },
    ),
    "completion": VerbGroup(
        "Completion of verbs, names and ids in bash, zsh and fish.",
        {
            "show": Verb("jobctl.cli.completion", "show", "Print the completion script of a shell."),
            "install": Verb("jobctl.cli.completion", "install", "Install the completion script of a shell."),
        },
    ),
    "advise": Verb("jobctl.cli.advise", "advise", "Recommend a mechanism and a pattern for some work."),
    "demo": Verb("jobctl.cli.demo", "demo", "A real tour in a throw-away home."),
}
"""By the word on the command line, in the order of ``--help``."""

ALIASES = {"ls": "list", "ps": "list", "kill": "cancel", "rm": "remove"}
GROUP_ALIASES = {"ls": "list", "rm": "remove"}
