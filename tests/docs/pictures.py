"""The pictures of README.md: real runs in a throw-away home, what the verbs show of them, as SVG in ``.pictures/``.

    .venv/bin/python -m tests.docs.pictures [DIRECTORY]

takes about a minute. What a verb prints on a terminal is recorded with its colours and exported by Rich; the dashboard,
which redraws itself, is asked for one frame. Queue depth is sampled each second here, not each minute, so that a minute
of work draws what an hour would.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from jobctl.actions import dashboards
from jobctl.actions.dashboards import DashboardReader
from jobctl.clock import SystemClock
from jobctl.model.homes import Home
from jobctl.store import Store
from jobctl.views.dashboard import Frame, dashboard_lines
from tests.docs.readme import ROOT
from tests.support.cli import Completed, cli_environment, run_cli
from tests.support.terminals import on_terminal
from tests.support.waiting import wait_until

PICTURES = ROOT / ".pictures"
FONTS = 'ui-monospace, "Cascadia Mono", "Fira Code", "DejaVu Sans Mono", Menlo, Consolas, monospace'
"""What is there on the reader's machine: Rich would load its font from the network."""
_HOME = ".local/share/jobctl"
_SHOWN = "/home/ana"
"""What pictures show of the throw-away directory."""
_BUSY_SECONDS = 30
_DEPTH_MS = 120_000
"""The dashboard's line of queued jobs shows so much."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a verb shows; ``words`` is the whole call, also the title of the picture."""

    name: str
    words: tuple[str, ...]
    width: int = 100
    height: int | None = None
    """Of the dashboard; others are as high as they are."""

    @property
    def command(self) -> str:
        """As it is typed."""
        return " ".join(("jobctl", *self.words))


ALL = (
    Picture("dashboard", ("watch",), 120, 36),
    Picture("list", ("list", "--limit", "14"), 112),
    Picture("stats", ("stats", "--by", "name", "--errors")),
    Picture("plots", ("stats", "--since", "5m", "--plot")),
    Picture("workflow", ("workflow", "show", "last")),
    Picture("catalog", ("catalog",)),
    Picture("daemons", ("daemon", "list")),
)
"""In the order in which they are taken."""

_CONFIGURATION = """\
queues:
  gpu: {concurrency: 1}
  io: {concurrency: 3}
  imports: {concurrency: 4}
jobs:
  train:
    command: ./steps.sh 240 0.5 "epoch"
    help: train the model for an hour
    category: models
    icon: "🧠"
    queue: gpu
  score:
    command: ./steps.sh 12 0.05 "batch"
    help: score what came in
    category: models
    icon: "🎯"
  fetch-prices:
    command: ./fetch.sh
    help: fetch prices of the day
    category: feeds
    icon: "📈"
    queue: io
    attempts: 2
    retry_delay: 1s
    schedule: every 10m
  thumbnails:
    command: ./steps.sh 90 0.4 "IMG_{n}.jpg"
    help: scale new photographs
    category: feeds
    icon: "🖼"
  backup:
    command: ./steps.sh 400 0.3 "home/ana"
    help: copy everything that matters
    category: care
    icon: "💾"
    queue: io
    schedule: daily 03:00
  vacuum:
    command: jobctl db vacuum
    help: give unused room back
    category: care
    icon: "🧹"
    schedule: weekly sun@04:30
daemons:
  inbox:
    command: ./daemon.sh "imported order" 1.7
  price-feed:
    command: ./daemon.sh "tick EURUSD 1.15" 0.9
  mailer:
    command: ./daemon.sh "queue is empty" 4
    depends_on: [inbox]
"""

_SCRIPTS = {
    "steps.sh": 'n=0\nwhile [ $n -lt $1 ]; do\n  n=$((n+1))\n  echo "$n/$1 $(echo "$3" | sed "s/{n}/$((4100+n))/")'
    ' $n" >>"$JOBCTL_PROGRESS"\n  sleep $2\ndone\n',
    "fetch.sh": "sleep 0.$(($JOBCTL_JOB_ID % 7 + 1))\nif [ $(($JOBCTL_JOB_ID % 6)) -eq 0 ]; then"
    ' echo "HTTPError: 503 Service Unavailable for https://prices.example/$JOBCTL_JOB_ID" >&2; exit 1; fi\n',
    "daemon.sh": 'n=1000\nwhile :; do n=$((n+7)); echo "$(date +%T) $1 $n"; sleep $2; done\n',
}

_WORKFLOW = """\
name: nightly
steps:
  - {id: fetch, run: sleep 0.8}
  - {id: clean, run: sleep 1.1, needs: fetch}
  - {id: score, run: sleep 0.6, needs: clean, foreach: [eu, us, asia], parallel: 2}
  - {id: rebuild, run: sleep 1, needs: clean, when: "false"}
  - {id: report, run: sleep 0.4, needs: [score, rebuild], trigger: all_done}
  - {id: publish, approve: "Publish the figures?", needs: report}
  - {id: mail, run: "true", needs: publish}
"""

_SUPERVISOR = (
    "import jobctl.store.rollups as rollups, jobctl.supervisor.statistician as statistician\n"
    "rollups.DEPTH_FINE_MS = 1000; statistician.LOOK_SECONDS = 0.5\n"
    "from jobctl.__main__ import main\nmain()"
)


def main() -> None:
    """Every picture is in the directory that is named, else in ``.pictures/``."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    target.mkdir(exist_ok=True)
    with work() as home:
        for picture in ALL:
            svg = svg_of(picture, shown(picture, home))
            (target / f"{picture.name}.svg").write_text(svg, encoding="utf-8")
            print(f"{picture.name}.svg  {len(svg.encode()):,} bytes  {picture.command}")


@contextmanager
def work() -> Iterator[Path]:
    """A throw-away home in which much has happened and much goes on, supervised."""
    scratch = Path(tempfile.mkdtemp(prefix="jobctl-pictures-"))
    home = scratch / _HOME
    home.mkdir(mode=0o700, parents=True)
    (home / "jobctl.yaml").write_text(_CONFIGURATION, encoding="utf-8")
    for name, text in _SCRIPTS.items():
        (home / name).write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
        (home / name).chmod(0o755)
    (scratch / "nightly.yaml").write_text(_WORKFLOW, encoding="utf-8")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    supervisor = subprocess.Popen(
        [sys.executable, "-c", _SUPERVISOR, "up"],
        env=cli_environment(home, {"PATH": path}), cwd=scratch, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _keep_busy(home, scratch)
        yield home
    finally:
        run_cli("down", "--now", home=home)
        supervisor.wait(timeout=60)
        shutil.rmtree(scratch)


def _keep_busy(home: Path, scratch: Path) -> None:
    """Jobs of every kind have run, in waves, and some run on."""
    call = _Caller(home, scratch)
    wait_until(lambda: run_cli("status", home=home).code == 0)
    for name in ("vacuum", "train", "backup", "thumbnails", "score", "fetch-prices", "fetch-prices"):
        call("submit", name)
    began = time.monotonic()
    while (passed := time.monotonic() - began) < _BUSY_SECONDS:
        call("submit", "--jsonl", "-", stdin=_wave(home, 4 + round(10 * abs(math.sin(passed / 9)))))
        wait_until(lambda: len(call("list", "--status", "queued", "--json").document["jobs"]) < 4)
    call("submit", "-n", "migrate", "--shell", "echo 'no such column: total' >&2; exit 3")
    call("submit", "-n", "export", "--timeout", "1s", "--", "sleep", "30")
    call("submit", "-n", "invoices", "--in", "2h", "--", "true")
    call("submit", "-n", "cleanup", "--hold", "--", "true")
    for _ in range(3):
        call("submit", "train")
    call("submit", "--jsonl", "-", stdin=_lines(home, _imports()))
    call("workflow", "run", "nightly.yaml")
    wait_until(lambda: "waiting" in call("workflow", "show", "last").out)
    call("wait", "name:migrate,name:export", code=1)


def _wave(home: Path, count: int) -> str:
    """Lines of ``submit --jsonl``: short jobs, of which some fail."""
    jobs: list[Mapping[str, object]] = []
    for index in range(count):
        score = {"name": "score", "type": "model", "command": ["./steps.sh", str(6 + index), "0.05", "batch"]}
        fetch = {"name": "fetch-prices", "type": "feed", "queue": "io", "command": ["./fetch.sh"]}
        jobs += [score, fetch, fetch] if index % 2 else [score]
    return _lines(home, jobs)


def _imports() -> Iterator[Mapping[str, object]]:
    """More than the queue has slots for, each a minute or so long."""
    for index, region in enumerate(("eu", "us", "asia", "africa", "india", "brazil", "japan")):
        command = ["./steps.sh", str(170 + 45 * index), "0.2", "order"]
        yield {"name": f"import-{region}", "queue": "imports", "command": command}


def _lines(home: Path, jobs: Iterable[Mapping[str, object]]) -> str:
    return "".join(json.dumps({**job, "cwd": str(home)}) + "\n" for job in jobs)


@dataclass(frozen=True, slots=True)
class _Caller:
    home: Path
    cwd: Path

    def __call__(self, *args: str, stdin: str | None = None, code: int = 0) -> Completed:
        """The call has ended as it should."""
        ended = run_cli(*args, home=self.home, cwd=self.cwd, input=stdin)
        assert ended.code == code, (args, ended)
        return ended


def shown(picture: Picture, home: Path) -> Text:
    """What the verb shows of the home on a terminal."""
    if picture.height is not None:
        return _frame(home, picture.width, picture.height)
    printed = on_terminal(*picture.words, home=home, width=picture.width)
    return Text.from_ansi(printed.rstrip("\n").replace(str(home).removesuffix(f"/{_HOME}"), _SHOWN))


def _frame(home: Path, width: int, height: int) -> Text:
    """One frame of the dashboard, as ``watch`` draws it once it has seen the processes twice."""
    dashboards.DEPTH_MS = _DEPTH_MS
    with Store.open(Home(str(home)), SystemClock()) as store:
        reader = DashboardReader(store, SystemClock())
        reader.read(height)
        time.sleep(2.5)
        snapshot = replace(reader.read(height), home=f"{_SHOWN}/{_HOME}")
    frame = Frame(width, height, None, "0 all  1 jobs  2 queues  3 next  4 daemons  5 recent", "q quits")
    return Text("\n").join(dashboard_lines(snapshot, frame))


def svg_of(picture: Picture, content: Text) -> str:
    """The picture as Rich exports it, but with the fonts of the reader's machine."""
    console = Console(
        record=True, width=picture.width, file=io.StringIO(), force_terminal=True, legacy_windows=False
    )
    console.print(content, no_wrap=True, overflow="crop", highlight=False)
    template = re.sub(r"@font-face \{\{.*?\}\}\s*|<!--.*?-->\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    template = re.sub(r"font-family: [^;]+;", f"font-family: {FONTS};", template)
    return console.export_svg(title=picture.command, code_format=template, unique_id=f"jobctl-{picture.name}")


if __name__ == "__main__":
    main()
