"""What tells an attempt's processes from all others: a marker in the environment and a tag on a soft limit."""

from __future__ import annotations

import os
from hashlib import sha256

from jobctl.executors.attempts import AttemptDirectory
from jobctl.executors.processes import attempt_tag, leads_branded, start_ticks
from jobctl.executors.trees import Tree
from jobctl.store import Store
from jobctl.store.transitions import Claim


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

    def tree_of_orphan(self, claim: Claim, directory: AttemptDirectory) -> Tree:
        """The tree of an attempt that another life started; its shim is named only while it provably lives."""
        tag, marker = self.tag(claim), b"JOBCTL_RUN=" + self.run(claim)
        pid = directory.read_pid()
        ticks = None if pid is None else start_ticks(pid)
        # The lock is asked last: held now, the pid read before was the shim's. But anybody may have written
        # another into the file, so the process itself has to carry the attempt's brand as well.
        if pid is None or ticks is None or not (leads_branded(pid, tag, marker) and directory.is_held()):
            pid, ticks = None, None
        return Tree(pid, ticks, pid, tag, marker)
