"""Where things lie under a home (DESIGN section 4, "Files"). Files are named by number only."""

from __future__ import annotations

from dataclasses import dataclass


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

    def life(self, life_id: int) -> str:
        """The directory of a life: its ``lock`` and its ``wake`` FIFO."""
        return f"{self.path}/lives/{life_id}"

    def job(self, job_id: int) -> str:
        """The directory of a job: its attempts."""
        return f"{self.path}/runs/{job_id}"

    def attempt(self, job_id: int, number: int) -> str:
        """The attempt directory: the contract with a process (DESIGN section 6)."""
        return f"{self.path}/runs/{job_id}/{number}"
