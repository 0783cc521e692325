"""CPU and memory of running jobs, by session, from passes that are far enough apart."""

from __future__ import annotations

from jobctl.executors.processes import TICKS_PER_SECOND, ProcessEntry, ProcessTable, now_ticks
from jobctl.executors.usage import LEAST_SECONDS, UsageMeter
from jobctl.model.states import JobId

JOB = JobId(7)


class Machine:
    """Processes and time as a test sets them."""

    def __init__(self) -> None:
        self.entries: list[ProcessEntry] = []
        self.seconds = 1000.0
        self.passes = 0
        self.fails = False

    def read(self) -> ProcessTable:
        """A pass over all processes."""
        self.passes += 1
        if self.fails:
            raise OSError(24, "too many open files")
        return ProcessTable({entry.pid: entry for entry in self.entries})

    def meter(self) -> UsageMeter:
        """What is tested, on this machine."""
        return UsageMeter(self.read, lambda: self.seconds)


def process(pid: int, session: int, cpu: int, rss: int, age_ticks: int = 1000) -> ProcessEntry:
    """A process of a session."""
    return ProcessEntry(pid, 1, session, session, "S", now_ticks() - age_ticks, cpu, rss)


def test_a_session_is_summed_and_its_rate_follows_from_two_passes() -> None:
    machine = Machine()
    meter = machine.meter()
    machine.entries = [process(10, 10, 5, 100), process(11, 10, 95, 200), process(12, 12, 9999, 400)]
    first = meter.usage({JOB: 10})[JOB]
    assert first.rss_bytes == 300
    assert 9 <= first.cpu_percent <= 10.1  # 100 ticks in a life of about 1000
    machine.seconds += 4
    machine.entries = [process(10, 10, 5, 100), process(11, 10, 95 + 2 * TICKS_PER_SECOND, 50)]
    second = meter.usage({JOB: 10})[JOB]
    assert second.cpu_percent == 50.0
    assert second.rss_bytes == 150


def test_between_passes_and_without_descriptors_the_last_figures_stand() -> None:
    machine = Machine()
    meter = machine.meter()
    machine.entries = [process(10, 10, 5, 100)]
    before = meter.usage({JOB: 10})
    machine.seconds += LEAST_SECONDS / 2
    assert meter.usage({JOB: 10}) == before
    assert machine.passes == 1
    machine.seconds += LEAST_SECONDS
    machine.fails = True
    assert meter.usage({JOB: 10}) == before
    assert machine.passes == 2


def test_a_job_whose_processes_are_gone_has_no_figures_and_another_session_starts_anew() -> None:
    machine = Machine()
    meter = machine.meter()
    machine.entries = [process(10, 10, 500, 100)]
    meter.usage({JOB: 10})
    machine.seconds += LEAST_SECONDS
    machine.entries = [process(20, 20, 10, 100, age_ticks=10)]
    assert 50 <= meter.usage({JOB: 20})[JOB].cpu_percent <= 100
    machine.seconds += LEAST_SECONDS
    assert meter.usage({JOB: 10}) == {}
