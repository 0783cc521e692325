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
    "edit": Verb("jobctl.cli.edit", "edit", "Change a job that waits."),
    "remove": Verb("jobctl.cli.removals", "remove", "Remove jobs with their logs; never running ones."),
    "prune": Verb("jobctl.cli.removals", "prune", "Remove ended jobs by age, state or number."),
    "progress": Verb("jobctl.cli.progress", "progress", "Report progress from inside a job."),
    "events": Verb("jobctl.cli.events", "events", "Print or follow what happened."),
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
    "db": VerbGroup(
        "The store: one SQLite file.",
        {
            "path": Verb("jobctl.cli.store", "path", "Print where the store is."),
            "info": Verb("jobctl.cli.store", "info", "Show version, size and settings of the store."),
            "migrate": Verb(
                "jobctl.cli.store", "migrate", "Create the store or bring it to the newest schema."
            ),
        },
    ),
    "completion": VerbGroup(
        "Completion of verbs, names and ids in bash, zsh and fish.",
        {
            "show": Verb("jobctl.cli.completion", "show", "Print the completion script of a shell."),
            "install": Verb("jobctl.cli.completion", "install", "Install the completion script of a shell."),
        },
    ),
    "demo": Verb("jobctl.cli.demo", "demo", "A real tour in a throw-away home."),
}
"""By the word on the command line, in the order of ``--help``."""

ALIASES = {"ls": "list", "ps": "list", "kill": "cancel", "rm": "remove"}
GROUP_ALIASES = {"ls": "list", "rm": "remove"}
