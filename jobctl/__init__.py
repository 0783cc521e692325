"""jobctl: queue, schedule, supervise and watch every background job on one machine."""

__version__ = "0.1.0"
