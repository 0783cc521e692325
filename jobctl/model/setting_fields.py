"""The table of settings: names, kinds, limits, defaults, help; files, variables, docs and schema follow it."""

from __future__ import annotations

from jobctl.model.fields import Choice, Duration, Factor, Field, Kind, Size, Text, Whole
from jobctl.model.names import LEAST_URGENT, MOST_URGENT
from jobctl.model.nested_fields import Arguments, Modules, Patterns
from jobctl.model.specs import OnCrash

MOST_ATTEMPTS = 1000
MOST_SLOTS = 100_000
MOST_WORKERS = 64

_INTERVAL = Duration(minimum=0.01, maximum=3600)

SETTINGS: dict[str, Field[Kind]] = {
    found.name: found
    for found in (
        Field(
            "default_timeout", Duration(allow_zero=True), "the longest an attempt may run; `0`: no limit", "0"
        ),
        Field("default_attempts", Whole(1, MOST_ATTEMPTS), "how often a job may be tried in all", "1"),
        Field("default_priority", Whole(MOST_URGENT, LEAST_URGENT), "1 (most urgent) to 10", "5"),
        Field("default_grace", Duration(allow_zero=True), "from TERM to KILL", "10s"),
        Field("default_retry_delay", Duration(allow_zero=True), "before the second attempt", "5s"),
        Field("default_backoff", Factor(1, 100), "the delay grows by this factor", "2"),
        Field("default_max_delay", Duration(), "the delay grows no further", "1h"),
        Field("default_on_crash", Choice(OnCrash), "when an attempt is lost: `retry` or `fail`", "retry"),
        Field("concurrency", Whole(1, MOST_SLOTS), "slots of the queue `default`", "5"),
        Field("progress_interval", _INTERVAL, "between two looks at what running jobs report", "250ms"),
        Field(
            "idle_interval",
            _INTERVAL,
            "the longest an idle supervisor sleeps; a submit wakes it at once",
            "1s",
        ),
        Field(
            "cleanup_interval",
            Duration(minimum=1),
            "between two removals of what is past its retention",
            "1h",
        ),
        Field("retention_age", Duration(minimum=1), "how long ended jobs and events are kept", "30d"),
        Field("retention_jobs", Whole(0, 1_000_000_000), "how many ended jobs are kept", "100000"),
        Field("log_cap", Size(), "output kept of an attempt", "1GiB"),
        Field("health_queue_age", Duration(), "`health`: how long a job may be queued", "1h"),
        Field("health_error_percent", Whole(0, 100), "`health`: how many of an hour's jobs may fail", "50"),
        Field("health_disk_free", Size(), "`health`: the space that has to be free", "512MiB"),
        Field("pass_env", Patterns(), "names stored although they look secret; `*` and `?` match", ""),
        Field("secret_env", Patterns(), "further names that are never stored; `*` and `?` match", ""),
        Field("modules", Modules(), "Python modules whose functions may be called", ""),
        Field(
            "max_workers",
            Whole(0, MOST_WORKERS),
            "warm workers for function jobs; `0`: one for each processor, at most 8",
            "0",
        ),
        Field("worker_jobs", Whole(1, 1_000_000_000), "a worker is replaced after so many jobs", "1000"),
        Field(
            "worker_memory", Size(allow_zero=True), "a worker that takes more is replaced; `0`: never", "1GiB"
        ),
        Field(
            "worker_python",
            Text("the path of an interpreter"),
            "the Python of workers; else jobctl's own",
            "",
        ),
        Field("worker_args", Arguments(), "options of that Python, such as `-X,dev`", ""),
        Field("preload", Modules(), "Python modules that a worker imports before its first job", ""),
    )
}
"""By name, in the order of ``Settings``."""
