"""The environment an attempt gets (DESIGN section 6, "Environment")."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping

from jobctl.errors import UnusableError
from jobctl.model.environments import parse_env_file
from jobctl.model.homes import Home
from jobctl.store import Store
from jobctl.store.transitions import Claim

_REMEMBERED = 64


class Environments:
    """Builds environments; the stored ones are remembered by hash, encoded."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._home = store.home
        self._known: dict[str | None, dict[bytes, bytes]] = {}

    def of(self, claim: Claim, run: bytes) -> dict[bytes, bytes]:
        """The complete environment of an attempt; ``run`` is the value of its ``JOBCTL_RUN``.

        Raises:
            UnusableError: ``secrets.env`` is needed and unsafe or unreadable.
        """
        found = dict(self._stored(claim.environment_hash))
        for name in claim.spec.secret_env:
            value = self._secret(name)
            # A name that sh cannot hold would travel in an argv, which ``ps`` shows to everybody.
            if value is not None and name.isidentifier() and name.isascii():
                found[_bytes(name)] = value
        for name, text in claim.spec.env.items():
            found[_bytes(name)] = _bytes(text)
        found |= own_variables(self._home, claim.job_id, claim.attempt)
        found |= resource_variables(claim.resources)
        found[b"JOBCTL_RUN"] = run
        return found

    def _stored(self, digest: str | None) -> Mapping[bytes, bytes]:
        if digest not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            stored = self._store.jobs.environment(digest)
            self._known[digest] = {_bytes(name): _bytes(value) for name, value in stored.items()}
        return self._known[digest]

    def _secret(self, name: str) -> bytes | None:
        value = os.environb.get(_bytes(name))
        if value is not None:
            return value
        text = read_secrets(self._home).get(name)
        return None if text is None else _bytes(text)


def own_variables(home: Home, job_id: int, attempt: int) -> dict[bytes, bytes]:
    """The ``JOBCTL_*`` variables that tell an attempt who it is and where it reports."""
    directory = os.fsencode(home.attempt(job_id, attempt))
    return {
        b"JOBCTL_HOME": os.fsencode(home.path),
        b"JOBCTL_JOB_ID": b"%d" % job_id,
        b"JOBCTL_ATTEMPT": b"%d" % attempt,
        b"JOBCTL_PROGRESS": directory + b"/progress",
        b"JOBCTL_RESULT": directory + b"/result",
        b"JOBCTL_OUTPUT": directory + b"/outputs",
    }


def resource_variables(given: Mapping[str, tuple[int, ...]]) -> dict[bytes, bytes]:
    """``JOBCTL_GPU=0,1`` for each resource, and for ``gpu`` what CUDA programs read."""
    found = {}
    for name, indices in given.items():
        value = ",".join(map(str, indices)).encode()
        found[b"JOBCTL_" + re.sub(r"[^A-Z0-9]", "_", name.upper()).encode()] = value
        if name == "gpu":
            found[b"CUDA_VISIBLE_DEVICES"] = value
    return found


def read_secrets(home: Home) -> dict[str, str]:
    """The names and values of ``secrets.env``; empty without the file.

    Raises:
        UnusableError: others may read it, or it cannot be read.
    """
    try:
        with open(home.secrets, encoding="utf-8", errors="surrogateescape") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise UnusableError(
                    "others may read the secrets", home.secrets, "run: chmod 600 on it", "E_SECRETS"
                )
            return parse_env_file(file.read(), home.secrets)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UnusableError(
            f"cannot read the secrets ({error.strerror})", home.secrets, code="E_SECRETS"
        ) from error


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
