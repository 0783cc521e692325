"""Making a store and bringing it up to date, and what can be said of it."""

from __future__ import annotations

import os

from jobctl.clock import Clock
from jobctl.model.homes import Home
from jobctl.store import Store
from jobctl.store.figures import Figures, figures_of


def migrate_store(home: Home, clock: Clock) -> list[str]:
    """The store exists with the newest schema; returns the migrations applied just now."""
    from jobctl.store.migrate import bring_up_to_date

    os.makedirs(home.path, mode=0o700, exist_ok=True)
    return bring_up_to_date(home, clock)


def store_figures(store: Store) -> tuple[Figures, dict[str, int]]:
    """The store as a file, and how many jobs are in each state."""
    return figures_of(store.database), store.jobs.counts()
