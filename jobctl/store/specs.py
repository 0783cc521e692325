"""How a job's specification and environment are written as JSON text and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from jobctl.model.specs import JobSpec, OnCrash, RetryPolicy

_DEFAULT = JobSpec()
_FIELDS = (
    "shell", "cwd", "umask", "stdin", "split_output", "keep_children", "timeout_seconds", "grace_seconds", "nice",
    "max_memory_bytes", "max_log_bytes", "progress_from", "on_success", "on_failure",
    "hook_of", "item", "supervisor_env",
)  # fmt: skip


def spec_text(spec: JobSpec) -> str:
    """The JSON of a spec; what equals the default is left out."""
    found: dict[str, Any] = {
        name: getattr(spec, name) for name in _FIELDS if getattr(spec, name) != getattr(_DEFAULT, name)
    }
    if spec.command:
        found["command"] = spec.command
    if spec.call is not None:
        found["call"] = spec.call.document()
    if spec.env:
        found["env"] = dict(spec.env)
    if spec.secret_env:
        found["secret_env"] = spec.secret_env
    if spec.on_crash is not OnCrash.RETRY:
        found["on_crash"] = spec.on_crash.value
    if spec.retry != _DEFAULT.retry:
        retry = spec.retry
        found["retry"] = [
            retry.attempts, retry.delay_seconds, retry.backoff, retry.max_delay_seconds, list(retry.retry_on)
        ]  # fmt: skip
    return json.dumps(found, separators=(",", ":"))


def shared_spec_of(text: str) -> JobSpec:
    """The spec that ``spec_text`` wrote; the same object for the same short text: thousands of calls share it."""
    return _remembered(text) if len(text) <= _SHORT else spec_of(text)


_SHORT = 2000


@lru_cache(256)
def _remembered(text: str) -> JobSpec:
    return spec_of(text)


def spec_of(text: str) -> JobSpec:
    """The spec that ``spec_text`` wrote."""
    found = json.loads(text)
    for name in ("command", "secret_env"):
        if name in found:
            found[name] = tuple(found[name])
    if "call" in found:
        from jobctl.model.calls import call_of  # only function jobs pay for it

        found["call"] = call_of(found["call"])
    if "on_crash" in found:
        found["on_crash"] = OnCrash(found["on_crash"])
    if "retry" in found:
        attempts, delay, backoff, longest, codes = found["retry"]
        found["retry"] = RetryPolicy(attempts, delay, backoff, longest, tuple(codes))
    return JobSpec(**found)


def environment_text(environment: Mapping[str, str]) -> tuple[str, str]:
    """``(hash, JSON)`` of an environment: the same variables give the same hash in any order."""
    body = json.dumps(dict(environment), separators=(",", ":"), sort_keys=True)
    return sha256(body.encode()).hexdigest()[:32], body
