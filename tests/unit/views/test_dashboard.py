"""The dashboard as text at every size, with all that is hostile in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console
from rich.text import Text

from jobctl.actions.dashboards import DashboardReader
from jobctl.model.daemons import Daemon, DaemonDefinition, DaemonId, DaemonSource, DaemonState, Wanted
from jobctl.model.dashboards import LogLine, PaneName, Snapshot, Usage, WatchedDaemon
from jobctl.model.lives import Life, LifeKind
from jobctl.model.progress import Progress
from jobctl.model.queues import Queue, Rate
from jobctl.model.states import JobId, LifeId
from jobctl.views.dashboard import Frame, dashboard_lines
from jobctl.views.snapshots import snapshot_json
from jobctl.views.text import width_of
from tests.support.histories import History

SIZES = [(80, 24), (200, 60), (140, 30), (40, 10), (20, 5), (10, 3), (1, 1), (0, 0)]
EVIL = "\x1b[31mred\x1b]52;c;eA==\x07[/b]\u202e\x9b\udcff\n界" + "x" * 10_000


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    """A home in which one job has failed and one runs."""
    history = History(Path(tmp_path_factory.mktemp("home")) / "home")
    history.run("import", 3)
    running = history.submit("train")
    history.start(running)
    history.report(running, Progress(percent=44.0, items_done=44, items_total=100, message="epoch 3"))
    reader = DashboardReader(history.store, history.clock)
    yield reader.read(50)
    history.close()


@pytest.fixture(scope="module")
def hostile(quiet: Snapshot) -> Snapshot:
    """A thousand jobs, and everything that users name or write is hostile."""
    job = replace(
        quiet.running[0], name=EVIL, queue=EVIL, reason=EVIL, error=EVIL, life_id=LifeId(1),
        progress=Progress(percent=44.0, items_done=44, items_total=10**12, items_failed=7, message=EVIL),
    )  # fmt: skip
    running = [replace(job, id=JobId(number)) for number in range(1, 201)]
    return replace(
        quiet,
        home="/tmp/" + EVIL,
        life=Life(LifeId(1), LifeKind.UP, 4711, EVIL, quiet.now - 10**10, None, None, draining=True),
        counts=dict(quiet.counts)
        | {"running": 1000, "queued": 10**9, "created": 5, "timeout": 7, "cancelled": 1},
        queues=[Queue(EVIL, 10**6, paused=True, rate=Rate(3, 90), running=1000, queued=10**9, created=5)]
        * 20,
        running=running,
        usage={one.id: Usage(12345.6, 10**15) for one in running},
        upcoming=[replace(job, reason="retry", eligible_at=quiet.now + 5000)] * 30,
        daemons=[_daemon(state) for state in DaemonState] * 3,
        endings=[replace(quiet.endings[0], name=EVIL, error=EVIL)] * 50,
    )


def _daemon(state: DaemonState) -> WatchedDaemon:
    daemon = Daemon(
        DaemonId(1), DaemonDefinition(EVIL), DaemonSource.CLI, 0, 0, 1, wanted=Wanted.UP, state=state,
        reason=EVIL, error=EVIL, status_text=EVIL, restarts=10**6, heartbeat_at=5, memory_bytes=10**15,
        cpu_percent=1e6, started_at=7,
    )  # fmt: skip
    return WatchedDaemon(daemon, [LogLine("stderr", EVIL.encode("utf-8", "surrogateescape"))] * 12)


@pytest.mark.parametrize("pane", [None, *PaneName][:-1])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_is_exactly_as_large_as_asked_whatever_is_in_it(
    hostile: Snapshot, width: int, height: int, pane: PaneName | None
) -> None:
    lines = dashboard_lines(hostile, Frame(width, height, pane, "0 all  1 jobs", "q quits", "disk full"))
    assert len(lines) == height
    for line in lines:
        assert line.cell_len <= width
        assert width_of(line.plain) <= width
        assert line.plain.isprintable()


def test_what_is_sent_to_a_terminal_holds_no_escape_but_colours(hostile: Snapshot) -> None:
    console = Console(width=200, force_terminal=True, color_system="truecolor", highlight=False)
    with console.capture() as capture:
        for line in dashboard_lines(hostile, Frame(200, 60)):
            console.print(line, soft_wrap=True)
    rest = Text.from_ansi(capture.get()).plain
    assert "\x1b" not in rest
    assert "\\x1b[31mred" in rest


def test_in_80_by_24_all_that_matters_is_there(quiet: Snapshot) -> None:
    text = "\n".join(
        line.plain for line in dashboard_lines(quiet, Frame(80, 24, keys="keys", way_out="q quits"))
    )
    for part in ("jobctl", "running 1", "train", " 44%", "44/100", "epoch 3", "queues", "● default", "1/5",
                 "recent", "✗ failed", "import", "exit 3", "q quits"):  # fmt: skip
        assert part in text, part
    assert "daemons" not in text  # there are none


def test_two_columns_from_140_cells_on(quiet: Snapshot) -> None:
    rows = [line.plain for line in dashboard_lines(quiet, Frame(140, 24))]
    assert rows[2].startswith("running 1 ─")
    assert " queues ─" in rows[2]


def test_more_jobs_than_lines_are_counted(hostile: Snapshot) -> None:
    rows = [line.plain.rstrip() for line in dashboard_lines(hostile, Frame(80, 24, PaneName.JOBS))]
    assert rows[2].startswith("running 1,000 ─")
    assert "… and 982 more" in rows


def test_an_empty_home_says_what_to_do(quiet: Snapshot) -> None:
    nothing = replace(
        quiet, running=(), endings=(), counts=dict.fromkeys(quiet.counts, 0), life=None, runs=False
    )
    text = "\n".join(line.plain for line in dashboard_lines(nothing, Frame(80, 24)))
    assert "jobctl submit -- COMMAND" in text
    assert "start one with: jobctl up" in text
    assert "no jobs yet" in text


def test_plain_output_has_no_height(hostile: Snapshot) -> None:
    lines = dashboard_lines(hostile, Frame(120, None))
    assert sum(line.plain.lstrip().startswith(tuple("123456789")) for line in lines) > 200


def test_the_document_has_the_keys_of_status_and_more(quiet: Snapshot) -> None:
    document = snapshot_json(quiet)
    assert {"at", "supervisor", "counts", "queues", "daemons", "next", "running", "usage", "recent"} <= set(
        document
    )
    [ended] = [dict(one) for one in cast(list[dict[str, object]], document["recent"])]
    assert (ended["id"], ended["name"], ended["status"], ended["exit_code"]) == (1, "import", "failed", 3)
