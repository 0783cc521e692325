"""The recorded workflows of ``tests/data/workflows`` as workflow files, and what is known about their failures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path(__file__).parent.parent / "data" / "workflows"
NAMES = (
    "wfi-helloworld-chain-5-chameleon", "wfi-blast-chameleon-small-001", "wfi-rnaseq-dirt02-001",
    "wfi-bwa-chameleon-large-001",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Oracle:
    """What must happen when one task alone fails."""

    fail: str
    upstream_failed: int
    completed: int


@dataclass(frozen=True, slots=True)
class RecordedWorkflow:
    """A recorded workflow: what each task needs, and the oracles that came with it."""

    name: str
    needs: dict[str, tuple[str, ...]]
    oracles: tuple[Oracle, ...]
    edges: int
    depth: int

    def text(self, command: str = "true", *, failing: Sequence[str] = (), more: str = "") -> str:
        """A workflow file that runs ``command`` in every step and ``false`` in those of ``failing``."""
        lines = [f"name: {self.name}", *([more] if more else []), "steps:"]
        for step, needs in self.needs.items():
            lines.append(f"  - id: {step}")
            if needs:
                lines.append(f"    needs: [{', '.join(needs)}]")
            lines.append(f"    run: {'false' if step in failing else command}")
        return "\n".join(lines) + "\n"


def recorded_workflow(name: str) -> RecordedWorkflow:
    """The one of this name."""
    document = json.loads((DIRECTORY / f"{name}.json").read_text())
    return RecordedWorkflow(
        name=name,
        needs={task["id"]: tuple(task["deps"]) for task in document["tasks"]},
        oracles=tuple(
            Oracle(one["fail"], one["upstream_failed"], one["completed_if_rest_succeed"])
            for one in document["single_failure_oracles"]
        ),
        edges=document["stats"]["edges"],
        depth=document["stats"]["depth"],
    )
