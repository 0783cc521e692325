"""The definitions every home has: what looks after the store, as jobs that can be scheduled like any other.

Their command is this program in this home: ``actions.definitions`` puts it before the words here. The verbs
report progress and a result when they run inside a job.
"""

from __future__ import annotations

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
BUILTIN = {found.name: found for found in _BUILTIN}
"""By name."""
