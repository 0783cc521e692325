"""All that is persisted: one SQLite file, and the only code that knows its tables."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from jobctl.clock import Clock
from jobctl.model.homes import Home
from jobctl.store.database import CALLER_TIMEOUT_SECONDS, Database, check_file, check_identity, missing_store
from jobctl.store.events import Events
from jobctl.store.migrations import NEWEST

if TYPE_CHECKING:
    from jobctl.store.attempts import Attempts
    from jobctl.store.batches import Batches
    from jobctl.store.blockers import Blockers
    from jobctl.store.claims import Claims
    from jobctl.store.daemons import Daemons
    from jobctl.store.definitions import Definitions
    from jobctl.store.function_jobs import FunctionJobs
    from jobctl.store.health import HealthQueries
    from jobctl.store.intents import Intents
    from jobctl.store.jobs import Jobs
    from jobctl.store.lives import Lives
    from jobctl.store.notifications import Notifications
    from jobctl.store.queues import Queues
    from jobctl.store.removals import Removals
    from jobctl.store.resets import Resets
    from jobctl.store.rollups import RollUps
    from jobctl.store.run_pauses import RunPauses
    from jobctl.store.runs import Runs
    from jobctl.store.schedules import Schedules
    from jobctl.store.signatures import Signatures
    from jobctl.store.statistics import Statistics
    from jobctl.store.steps import Steps
    from jobctl.store.submissions import Submissions
    from jobctl.store.timelines import Timelines
    from jobctl.store.transitions import Transitions
    from jobctl.store.undos import Undos
    from jobctl.store.workers import Workers
    from jobctl.store.workflow_figures import WorkflowFigures
    from jobctl.store.workflow_questions import WorkflowQuestions
    from jobctl.store.workflows import Workflows

__all__ = ["Store"]


class Store:
    """An open store: one noun an attribute, ``write()`` around every change.

    A noun is imported when it is first asked for: ``submit`` pays for none but its own.
    """

    def __init__(self, home: Home, database: Database) -> None:
        self.home = home
        self.database = database
        self.write = database.write
        self.events = Events(database)

    @classmethod
    def open(
        cls,
        home: Home,
        clock: Clock,
        *,
        create: bool = False,
        timeout_seconds: float = CALLER_TIMEOUT_SECONDS,
    ) -> Store:
        """The store of ``home``, of the newest schema.

        Args:
            home: its directory exists and is the caller's own (``settings`` sees to that).
            clock: for the instants of migrations.
            create: make the store if there is none; otherwise that is ``E_NO_STORE``.
            timeout_seconds: how long a write waits for other writers.

        Raises:
            NotFoundError: there is no store and ``create`` is False.
            UnusableError: the file is not a store of ours, newer, damaged, or not accessible.
        """
        if not check_file(home.store):
            if not create:
                raise missing_store(home.path)
            _migrate(home, clock)
        database = Database(home.store, timeout_seconds=timeout_seconds)
        try:
            if check_identity(database, NEWEST) < NEWEST:
                database.close()
                _migrate(home, clock)
                database = Database(home.store, timeout_seconds=timeout_seconds)
            database.configure()
        except BaseException:
            database.close()
            raise
        return cls(home, database)

    @cached_property
    def jobs(self) -> Jobs:
        """Jobs: read, selected, counted."""
        from jobctl.store.jobs import Jobs

        return Jobs(self.database, self.events)

    @cached_property
    def submissions(self) -> Submissions:
        """New jobs."""
        from jobctl.store.submissions import Submissions

        return Submissions(self.database, self.events)

    @cached_property
    def transitions(self) -> Transitions:
        """The legal moves of jobs."""
        from jobctl.store.transitions import Transitions

        return Transitions(self.database, self.events)

    @cached_property
    def intents(self) -> Intents:
        """What callers want of running jobs."""
        from jobctl.store.intents import Intents

        return Intents(self.database)

    @cached_property
    def claims(self) -> Claims:
        """Jobs handed to lives."""
        from jobctl.store.claims import Claims

        return Claims(self.database, self.events, self.transitions)

    @cached_property
    def functions(self) -> FunctionJobs:
        """Jobs handed to workers, and how they ended."""
        from jobctl.store.function_jobs import FunctionJobs

        return FunctionJobs(self.database, self.events)

    @cached_property
    def workers(self) -> Workers:
        """Warm children that execute functions."""
        from jobctl.store.workers import Workers

        return Workers(self.database)

    @cached_property
    def signatures(self) -> Signatures:
        """Functions that may be called, and what each takes."""
        from jobctl.store.signatures import Signatures

        return Signatures(self.database)

    @cached_property
    def attempts(self) -> Attempts:
        """What ran."""
        from jobctl.store.attempts import Attempts

        return Attempts(self.database)

    @cached_property
    def batches(self) -> Batches:
        """Parents with many like children."""
        from jobctl.store.batches import Batches

        return Batches(self.database, self.events)

    @cached_property
    def notifications(self) -> Notifications:
        """Who is told of what."""
        from jobctl.store.notifications import Notifications

        return Notifications(self.database, self.events)

    @cached_property
    def workflows(self) -> Workflows:
        """Runs of steps."""
        from jobctl.store.workflows import Workflows

        return Workflows(self.database, self.events)

    @cached_property
    def steps(self) -> Steps:
        """The steps of runs, as a supervisor moves them."""
        from jobctl.store.steps import Steps

        return Steps(self.database, self.events)

    @cached_property
    def workflow_figures(self) -> WorkflowFigures:
        """How long the steps of workflows took lately."""
        from jobctl.store.workflow_figures import WorkflowFigures

        return WorkflowFigures(self.database)

    @cached_property
    def workflow_questions(self) -> WorkflowQuestions:
        """What runs wait for."""
        from jobctl.store.workflow_questions import WorkflowQuestions

        return WorkflowQuestions(self.database)

    @cached_property
    def runs(self) -> Runs:
        """Runs, as a supervisor moves them."""
        from jobctl.store.runs import Runs

        return Runs(self.database, self.events)

    @cached_property
    def run_pauses(self) -> RunPauses:
        """Runs that are paused."""
        from jobctl.store.run_pauses import RunPauses

        return RunPauses(self.database, self.events)

    @cached_property
    def undos(self) -> Undos:
        """The undo commands of runs."""
        from jobctl.store.undos import Undos

        return Undos(self.database, self.events)

    @cached_property
    def resets(self) -> Resets:
        """Ended runs that go on, and what people say to open ones."""
        from jobctl.store.resets import Resets

        return Resets(self.database, self.events)

    @cached_property
    def blockers(self) -> Blockers:
        """What stands in the way of waiting jobs."""
        from jobctl.store.blockers import Blockers

        return Blockers(self.database)

    @cached_property
    def daemons(self) -> Daemons:
        """Kept-alive processes."""
        from jobctl.store.daemons import Daemons

        return Daemons(self.database, self.events)

    @cached_property
    def definitions(self) -> Definitions:
        """Named job definitions, and what became of their jobs."""
        from jobctl.store.definitions import Definitions

        return Definitions(self.database, self.events)

    @cached_property
    def queues(self) -> Queues:
        """Named lanes."""
        from jobctl.store.queues import Queues

        return Queues(self.database, self.events)

    @cached_property
    def removals(self) -> Removals:
        """What is over goes."""
        from jobctl.store.removals import Removals

        return Removals(self.database, self.events)

    @cached_property
    def health(self) -> HealthQueries:
        """What tells whether all is well."""
        from jobctl.store.health import HealthQueries

        return HealthQueries(self.database)

    @cached_property
    def rollups(self) -> RollUps:
        """Figures about what happened, written."""
        from jobctl.store.rollups import RollUps

        return RollUps(self.database)

    @cached_property
    def statistics(self) -> Statistics:
        """Figures about what happened, read."""
        from jobctl.store.statistics import Statistics

        return Statistics(self.database)

    @cached_property
    def timelines(self) -> Timelines:
        """What happened when."""
        from jobctl.store.timelines import Timelines

        return Timelines(self.database)

    @cached_property
    def schedules(self) -> Schedules:
        """What is due when."""
        from jobctl.store.schedules import Schedules

        return Schedules(self.database)

    @cached_property
    def lives(self) -> Lives:
        """Supervising processes."""
        from jobctl.store.lives import Lives

        return Lives(self.database, self.events)

    def close(self) -> None:
        """The connection is closed."""
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _migrate(home: Home, clock: Clock) -> None:
    # Imported here: only the first open and upgrades pay for it.
    from jobctl.store.migrate import bring_up_to_date

    os.makedirs(home.path, mode=0o700, exist_ok=True)
    bring_up_to_date(home, clock)
