"""jobctl: queue, schedule, supervise and watch every background job on one machine.

Importing it imports nothing else: the names below come from their modules when they are first used (PEP 562).
"""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jobctl import api as api
    from jobctl import context as context
    from jobctl.api.orchestrator import TaskOrchestrator as TaskOrchestrator
    from jobctl.functions import job as job
    from jobctl.model.patterns import PatternAdvisor as PatternAdvisor
    from jobctl.model.patterns import TaskPattern as TaskPattern
    from jobctl.model.workflow_builder import WorkflowBuilder as WorkflowBuilder
    from jobctl.resources import resource as resource

_PLACES = {
    "PatternAdvisor": "jobctl.model.patterns",
    "TaskOrchestrator": "jobctl.api.orchestrator",
    "TaskPattern": "jobctl.model.patterns",
    "WorkflowBuilder": "jobctl.model.workflow_builder",
    "job": "jobctl.functions",
    "resource": "jobctl.resources",
}
"""Name → the module it comes from."""

_MODULES = frozenset({"api", "context"})


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"jobctl.{name}")
    if name not in _PLACES:
        raise AttributeError(f"module 'jobctl' has no attribute {name!r}")
    found: object = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES, *_MODULES})
