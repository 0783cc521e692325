"""Where things lie under a home (DESIGN section 4, "Files").

Files are named by number only,
but for the directories of daemons.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Home:
    """The layout of one home; ``path`` is absolute."""

    path: str

    @property
    def store(self) -> str:
        """The SQLite file."""
        return f"{self.path}/jobctl.db"

    @property
    def create_lock(self) -> str:
        """Locked while the store is created or migrated."""
        return f"{self.path}/create.lock"

    @property
    def supervisor_lock(self) -> str:
        """Locked by the one ``up`` of this home; never unlinked."""
        return f"{self.path}/supervisor.lock"

    @property
    def lives(self) -> str:
        """One directory a living supervising process."""
        return f"{self.path}/lives"

    @property
    def runs(self) -> str:
        """One directory a job."""
        return f"{self.path}/runs"

    @property
    def backups(self) -> str:
        """Copies made before migrations."""
        return f"{self.path}/backups"

    @property
    def spool(self) -> str:
        """Standard input kept for jobs that read it."""
        return f"{self.path}/spool"

    @property
    def secrets(self) -> str:
        """``NAME=value`` lines that jobs may be given but the store never holds."""
        return f"{self.path}/secrets.env"

    @property
    def workers(self) -> str:
        """One directory a worker."""
        return f"{self.path}/workers"

    def worker(self, number: int) -> str:
        """The directory of a worker: its lock, its journal, what it is to do."""
        return f"{self.path}/workers/{number}"

    @property
    def daemons(self) -> str:
        """One directory a daemon."""
        return f"{self.path}/daemons"

    def daemon(self, name: str) -> str:
        """The directory of a daemon: its generations, its logs and its ``state``.

        A name that could not be a file's, or hide one, is spelt with a digest; ``~`` is in no plain name.
        """
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            return f"{self.daemons}/{name}"
        plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:40]
        return f"{self.daemons}/~{plain}~{sha256(name.encode()).hexdigest()[:12]}"

    def daemon_state(self, name: str) -> str:
        """``$JOBCTL_STATE_DIR``: it outlives restarts, and the daemon's removal while anything is in it."""
        return f"{self.daemon(name)}/state"

    def generation(self, name: str, number: int) -> str:
        """The attempt directory of one generation of a daemon."""
        return f"{self.daemon(name)}/{number}"

    def life(self, life_id: int) -> str:
        """The directory of a life: its ``lock`` and its ``wake`` FIFO."""
        return f"{self.path}/lives/{life_id}"

    def job(self, job_id: int) -> str:
        """The directory of a job: its attempts."""
        return f"{self.path}/runs/{job_id}"

    def attempt(self, job_id: int, number: int) -> str:
        """The attempt directory: the contract with a process (DESIGN section 6)."""
        return f"{self.path}/runs/{job_id}/{number}"
