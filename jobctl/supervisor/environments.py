"""The environment an attempt gets (DESIGN section 6, "Environment")."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping

from jobctl.errors import BadInputError, SecretsError
from jobctl.model.environments import is_reserved_name, parse_env_file
from jobctl.model.homes import Home
from jobctl.store import Store
from jobctl.store.transitions import Claim

_REMEMBERED = 64
LARGEST_SECRETS = 1 << 20


class Environments:
    """Builds environments; the stored ones are remembered by hash, encoded."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._home = store.home
        self._secrets = Secrets(store.home.secrets)
        self._known: dict[str | None, dict[bytes, bytes]] = {}

    def of(self, claim: Claim, run: bytes) -> dict[bytes, bytes]:
        """The complete environment of an attempt; ``run`` is the value of its ``JOBCTL_RUN``.

        Raises:
            SecretsError: ``secrets.env`` is needed and unsafe, unreadable or malformed.
        """
        found = dict(self._stored(claim.environment_hash))
        if claim.spec.supervisor_env:
            found |= supervisor_variables()
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
        text = self._secrets.get(name)
        return None if text is None else _bytes(text)


def supervisor_variables() -> dict[bytes, bytes]:
    """What a job of a definition inherits: the environment of this process, without what jobctl sets itself."""
    return {
        name: value
        for name, value in os.environb.items()
        if not is_reserved_name(name.decode("utf-8", "surrogateescape"))
    }


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


class Secrets:
    """What ``secrets.env`` of a home holds; read again only when the file has changed (3 µs otherwise)."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._values: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        """The value of ``name``, None where the file or the name is missing.

        Raises:
            SecretsError: others may read the file, it is no regular one, or unreadable.
        """
        return self._current().get(name)

    def variables(self) -> dict[bytes, bytes]:
        """All of them, as an environment has them.

        Raises:
            SecretsError: as :meth:`get`.
        """
        return {_bytes(name): _bytes(value) for name, value in self._current().items()}

    def _current(self) -> Mapping[str, str]:
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            self._seen, self._values = None, {}
            return {}
        except OSError as error:
            raise self._unusable(f"cannot read the secrets ({error.strerror})") from None
        # The instant of the last change of owner and mode is in it: a file made unsafe is read, and refused, anew.
        identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if identity != self._seen:
            self._values = self._read()
            self._seen = identity
        return self._values

    def _read(self) -> dict[str, str]:
        self._seen = None
        try:
            # A FIFO would block the supervisor; O_NONBLOCK changes nothing for a regular file.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                self._check(os.fstat(descriptor))
                with open(descriptor, encoding="utf-8", errors="surrogateescape", closefd=False) as file:
                    return parse_env_file(file.read(), self._path)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._unusable(f"cannot read the secrets ({error.strerror})") from None
        except BadInputError as error:  # it names the line and never shows it
            raise self._unusable(error.what, error.hint) from None

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise self._unusable("the secrets are no regular file")
        if found.st_uid not in (os.geteuid(), 0):
            raise self._unusable("the secrets belong to somebody else")
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise self._unusable("others may read the secrets", "run: chmod 600 on it")
        if found.st_size > LARGEST_SECRETS:
            raise self._unusable("the secrets are above 1 MiB")

    def _unusable(self, what: str, hint: str = "") -> SecretsError:
        return SecretsError(what, self._path, hint)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
