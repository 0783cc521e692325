"""What tells an attempt's processes from all others: a marker in the environment and a tag on a soft limit."""

from __future__ import annotations

import os
from hashlib import sha256

from jobctl.executors.attempts import AttemptDirectory
from jobctl.executors.processes import ProcessTable, attempt_tag, is_tag, leads_branded, start_ticks
from jobctl.executors.trees import Tree, is_running
from jobctl.store import Store
from jobctl.store.transitions import Claim

_NUMBERS = (1 << 40) - 1
_DAEMON_BIT = 1 << 39
_WORKER_BIT = 1 << 38
_IDS = (1 << 15) - 1
_GENERATIONS = (1 << 24) - 1


class Identities:
    """Markers and tags of one store. Both can be made anew by the next supervisor from the claim alone."""

    def __init__(self, store: Store) -> None:
        # A home made anew at the same path counts its jobs from 1 again: its birth keeps the two apart.
        born = store.database.value("SELECT applied_at FROM migrations WHERE number=1")
        self._digest = sha256(
            f"{os.path.realpath(store.home.path)}\0{born}".encode("utf-8", "surrogateescape")
        )
        self._store_hash = int.from_bytes(self._digest.digest()[:4])
        self._prefix = self._digest.hexdigest()[:12]

    def run(self, claim: Claim) -> bytes:
        """The value of ``JOBCTL_RUN``: no other attempt anywhere has it."""
        return f"{self._prefix}.{claim.job_id}.{claim.attempt}".encode()

    def tag(self, claim: Claim) -> int:
        """The soft limit that every process of the attempt inherits (Linux)."""
        return attempt_tag(self._store_hash, claim.job_id, claim.attempt)

    def tree_of_child(self, claim: Claim, pid: int) -> Tree:
        """The tree below a shim that is our own unreaped child: nobody else can have its pid."""
        return Tree(pid, None, pid, self.tag(claim), b"JOBCTL_RUN=" + self.run(claim))

    # --- workers ---

    def worker_run(self, worker: int) -> bytes:
        """The value of ``JOBCTL_RUN`` that a worker starts with; its jobs' children get that of the job."""
        return f"{self._prefix}.w{worker}".encode()

    def worker_tag(self, worker: int) -> int:
        """The tag of a worker: of the 40 bits of a job and its attempt the first are 01 (job ids end at 2^30 there)."""
        number = _WORKER_BIT | worker & (_WORKER_BIT - 1)
        return attempt_tag(self._store_hash, number >> 8, number & 0xFF)

    def worker_tree(self, worker: int) -> Tree:
        """A worker and whatever came from it: the worker is one of its members, it has no shim."""
        return Tree(None, None, None, self.worker_tag(worker), b"JOBCTL_RUN=" + self.worker_run(worker))

    def call_tree(self, claim: Claim) -> Tree:
        """What one function job started, by its marker alone: the tag is that of all jobs of its worker."""
        return Tree(None, None, None, 0, b"JOBCTL_RUN=" + self.run(claim))

    # --- daemons ---

    def daemon_run(self, daemon_id: int, generation: int) -> bytes:
        """The value of ``JOBCTL_RUN`` for one generation of a daemon."""
        return f"{self._prefix}.d{daemon_id}.{generation}".encode()

    def daemon_tag(self, daemon_id: int, generation: int) -> int:
        """The tag of one generation: of the 40 bits of a job and its attempt the first is 1, 15 are the daemon's.

        0, which is none, where they do not suffice: two daemons never share one, so those go by their markers.
        """
        if daemon_id > _IDS or generation > _GENERATIONS:
            return 0
        number = _DAEMON_BIT | daemon_id << 24 | generation
        return attempt_tag(self._store_hash, number >> 8, number & 0xFF)

    def daemon_tree(self, daemon_id: int, generation: int, pid: int | None = None) -> Tree:
        """The tree of a generation; ``pid`` is its shim, an unreaped child of ours, if it is named."""
        marker = b"JOBCTL_RUN=" + self.daemon_run(daemon_id, generation)
        return Tree(pid, None, pid, self.daemon_tag(daemon_id, generation), marker)

    def daemon_tree_of_orphan(self, daemon_id: int, generation: int, directory: AttemptDirectory) -> Tree:
        """The tree of a generation that another life started; its shim is named only while it provably lives."""
        return _with_proven_shim(self.daemon_tree(daemon_id, generation), directory)

    def living_generations(self, table: ProcessTable) -> set[tuple[int, int]]:
        """(daemon id, generation) of every process that carries the brand of a daemon of this store.

        Ids above 32,767 and generations above 16,777,215 are told by their markers alone.
        """
        found: set[tuple[int, int]] = set()
        for tag, entries in table.tagged.items():
            number = tag & _NUMBERS
            mine = tag >> 40 & 0x3FFFFF == self._store_hash & 0x3FFFFF and number & _DAEMON_BIT
            if mine and any(is_running(e) and e.pid not in table.protected for e in entries):
                found.add((number >> 24 & _IDS, number & _GENERATIONS))
        start = f"JOBCTL_RUN={self._prefix}.d".encode()
        for entry in table.entries.values():
            tag = table.tag(entry.pid)
            if is_tag(tag) and tag != table.own_tag:
                continue
            if not is_running(entry) or entry.pid in table.protected:
                continue
            marker = table.marker(entry.pid)
            daemon_id, _, generation = marker.removeprefix(start).partition(b".")
            if marker.startswith(start) and daemon_id.isdigit() and generation.isdigit():
                found.add((int(daemon_id), int(generation)))
        return found

    def tree_of_orphan(self, claim: Claim, directory: AttemptDirectory) -> Tree:
        """The tree of an attempt that another life started; its shim is named only while it provably lives."""
        tag, marker = self.tag(claim), b"JOBCTL_RUN=" + self.run(claim)
        return _with_proven_shim(Tree(None, None, None, tag, marker), directory)


def _with_proven_shim(tree: Tree, directory: AttemptDirectory) -> Tree:
    pid = directory.read_pid()
    ticks = None if pid is None else start_ticks(pid)
    # The lock is asked last: held now, the pid read before was the shim's. But anybody may have written
    # another into the file, so the process itself has to carry the attempt's brand as well.
    if (
        pid is None
        or ticks is None
        or not (leads_branded(pid, tree.tag, tree.marker) and directory.is_held())
    ):
        return tree
    return Tree(pid, ticks, pid, tree.tag, tree.marker)
