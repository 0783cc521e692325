"""The settings as one frozen object. Kept apart from their table, which every ``submit`` would pay 5 ms for."""

from __future__ import annotations

from dataclasses import dataclass

from jobctl.model.specs import OnCrash


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds where a job does not say otherwise (DESIGN section 5, "Defaults"). Seconds and bytes.

    ``jobctl.model.setting_fields`` tells the kind, the limits and the meaning of each.
    """

    default_timeout: float = 0.0
    """0: none."""
    default_attempts: int = 1
    default_priority: int = 5
    default_grace: float = 10.0
    default_retry_delay: float = 5.0
    default_backoff: float = 2.0
    default_max_delay: float = 3600.0
    default_on_crash: OnCrash = OnCrash.RETRY
    concurrency: int = 5
    progress_interval: float = 0.25
    idle_interval: float = 1.0
    cleanup_interval: float = 3600.0
    retention_age: float = 30 * 86_400.0
    retention_jobs: int = 100_000
    log_cap: int = 1 << 30
    health_queue_age: float = 3600.0
    health_error_percent: int = 50
    health_disk_free: int = 512 << 20
    pass_env: tuple[str, ...] = ()
    secret_env: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    max_workers: int = 0
    """0: one for each processor, at most 8."""
    worker_jobs: int = 1000
    worker_memory: int = 1 << 30
    """0: however much it takes."""
    worker_python: str = ""
    """Empty: the supervisor's own."""
    worker_args: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
