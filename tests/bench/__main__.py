"""Every bench, one after the other: ``python -m tests.bench``."""

from __future__ import annotations

from importlib import import_module

from tests.bench.support import headline

NAMES = (
    "submit_cpu",
    "bulk_submit",
    "queue_depth",
    "history",
    "stats",
    "start_latency",
    "noop_commands",
    "functions",
    "thousand_at_once",
    "dashboard",
    "batch_noops",
    "parallel_submitters",
    "spools",
    "next_fires",
    "workflow_validate",
    "workflow_steps",
    "idle",
)

if __name__ == "__main__":
    headline("all benches")
    for name in NAMES:
        import_module(f"tests.bench.{name}").main()
