"""The environment an attempt gets (DESIGN section 6, "Environment")."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from jobctl.errors import BadInputError, SecretsError
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
            SecretsError: ``secrets.env`` is needed and unsafe, unreadable or malformed.
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


def read_secrets(home: Home) -> dict[str, str]:
    """The names and values of ``secrets.env``; empty without the file.

    Raises:
        SecretsError: others may read it, it cannot be read, or a line of it is no assignment.
    """
    try:
        descriptor = os.open(home.secrets, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SecretsError(f"cannot read the secrets ({error.strerror})", home.secrets) from error
    with open(descriptor, encoding="utf-8", errors="surrogateescape") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise SecretsError("the secrets are not a regular file", home.secrets)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SecretsError("others may read the secrets", home.secrets, "run: chmod 600 on it")
        try:
            return parse_env_file(file.read(), home.secrets)
        except BadInputError as error:
            raise SecretsError(error.what, error.value, error.hint) from error


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
