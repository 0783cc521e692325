"""The definitions every home has: what looks after the store, as jobs that can be scheduled like any other.

The command of those in ``system.`` is this program in this home: ``actions.definitions`` puts it before the words here.
The verbs report progress and a result when they run inside a job.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobctl.model.calls import BUILTIN_FUNCTIONS
from jobctl.model.definitions import Definition, Source
from jobctl.model.parameters import Parameter, ParameterType

NAMESPACE = "system."
"""What names of built-in definitions begin with; no other may."""
MOST_KEPT = 1_000_000
"""What the verbs take as ``--keep``."""


def _built_in(
    name: str, help_: str, icon: str, command: tuple[str, ...], *parameters: Parameter
) -> Definition:
    return Definition(
        name=f"{NAMESPACE}{name}",
        command=command,
        parameters=parameters,
        # Two of a kind at once only wait for each other.
        options={"category": "system", "type": "maintenance", "unique": f"{NAMESPACE}{name}"},
        help=help_,
        icon=icon,
        source=Source.BUILTIN,
    )


_BUILTIN = (
    _built_in(
        "optimize",
        "Give free pages of the store back to the disk; renew the planner's statistics.",
        "🧹",
        ("db", "vacuum"),
    ),
    _built_in(
        "prune",
        "Remove ended jobs with their logs, by age and number.",
        "✂",
        ("prune", "--older-than", "${{ params.older_than }}", "--keep", "${{ params.keep }}", "-y"),
        Parameter("older_than", ParameterType.DURATION, default="30d", help="only what ended so long ago"),
        Parameter(
            "keep", ParameterType.INT, default=0, min=0, max=MOST_KEPT, help="so many of the newest stay"
        ),
    ),
    _built_in("check", "Look for damage in the store.", "🩺", ("db", "check")),
    _built_in(
        "backup",
        "Copy the store, checked; of the copies in a directory the oldest go.",
        "💾",
        ("db", "backup", "${{ params.to }}", "--keep", "${{ params.keep }}"),
        Parameter(
            "to",
            ParameterType.PATH,
            default="backups/",
            pattern="[^-].*",
            help="a directory; a relative one is in the home",
        ),
        Parameter(
            "keep",
            ParameterType.INT,
            default=7,
            min=1,
            max=MOST_KEPT,
            help="so many of the newest copies stay",
        ),
    ),
)

_CHANCE: Mapping[str, Any] = {"type": ParameterType.FLOAT, "default": 0.0, "min": 0, "max": 1}
_SIMULATED = (
    Parameter(
        "seconds",
        ParameterType.FLOAT,
        default=0.1,
        min=0,
        max=86_400,
        help="how long it takes, or the mean of that",
    ),
    Parameter(
        "distribution",
        choices=("fixed", "uniform", "exponential", "lognormal"),
        default="fixed",
        help="how that differs from job to job",
    ),
    Parameter("spread", ParameterType.FLOAT, default=0.5, min=0, max=10, help="of uniform and lognormal"),
    Parameter("seed", ParameterType.INT, help="the same one gives a job the same fate"),
    Parameter("failure_rate", **_CHANCE, help="how likely it fails at its end"),
    Parameter("steps", ParameterType.INT, default=0, min=0, max=MOST_KEPT, help="of progress"),
    Parameter("items", ParameterType.INT, default=0, min=0, max=MOST_KEPT, help="counted as done one by one"),
    Parameter("item_failure_rate", **_CHANCE, help="how likely one of them fails; the job goes on"),
    Parameter("memory", ParameterType.INT, default=0, min=0, help="bytes that it holds"),
    Parameter("cpu", **_CHANCE, help="how much of the time it keeps a processor busy"),
    Parameter("crash", default="", help="its process ends half-way: an exit code, or a signal such as SEGV"),
    Parameter("hang", ParameterType.BOOL, default=False, help="it never ends"),
    Parameter("ignore_cancellation", ParameterType.BOOL, default=False, help="only KILL ends it"),
)
_SIMULATE = Definition(
    name="demo.simulate",
    call=f"{BUILTIN_FUNCTIONS}.demo:simulate",
    args={found.name: f"${{{{ params.{found.name} }}}}" for found in _SIMULATED},
    parameters=_SIMULATED,
    options={"category": "demo", "type": "simulation"},
    help="Pass time as work does: progress, memory, processor, failures, crashes.",
    icon="🎲",
    source=Source.BUILTIN,
)

BUILTIN = {found.name: found for found in (*_BUILTIN, _SIMULATE)}
"""By name."""
