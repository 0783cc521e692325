"""``report`` as it is typed, in this process: one page, or the same as JSON."""

from __future__ import annotations

import os
import re
import stat
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from jobctl.actions import period_reports
from jobctl.actions.period_reports import report_of
from jobctl.model.daemons import DaemonDefinition, DaemonExit, DaemonSource, DaemonState, Generation
from jobctl.model.statistics import HOUR, Punctuality
from jobctl.store import Store
from jobctl.views.report_html import policy, report_html
from tests.support.calls import Calls
from tests.support.histories import History

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style><style>*{display:none}",
    "evil\x1b]52;c;AAAA\x07\x9b31m\u202ebidi\x01",
    "x" * 10_000,
    "&lt;[/b]",
)
TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "h1", "h2", "p", "span", "code", "dl", "div",
    "dt", "dd", "section", "ul", "li", "svg", "g", "rect", "line", "path", "text", "small", "bdi", "b", "table",
    "thead", "tbody", "tr", "th", "td", "footer",
}  # fmt: skip
"""All that a page is made of: nothing that loads, runs or sends anything."""


class Page(HTMLParser):
    """What a browser would make of a page: its elements, their attributes and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.metas: list[dict[str, str | None]] = []
        self.open: list[str] = []
        self.said: list[str] = []
        self.style = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.said += [value or "" for _, value in attrs]
        if tag == "meta":
            self.metas.append(dict(attrs))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.said.append(data)

    @property
    def text(self) -> str:
        """All that people see, and what is under the pointer."""
        return "\n".join(self.said)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def jobctl(history: History, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(history.home.path, capsys, monkeypatch)


def page_of(history: History) -> Page:
    """The page about the last day."""
    now = history.clock.now_ms() + 1
    return Page(report_html(report_of(history.store, now - 24 * HOUR, now)))


def test_a_page_tells_of_runs_failures_and_durations(history: History, jobctl: Calls, tmp_path: Path) -> None:
    done, failed = history.run("train"), history.run("train", 3)
    target = tmp_path / "report.html"
    called = jobctl("report", "-o", str(target))
    assert (called.code, called.out) == (0, "")
    assert str(target) in called.err
    page = Page(target.read_text(encoding="utf-8"))
    assert f"job {done} train: completed after" in page.text
    assert f"job {failed} train: failed after" in page.text
    assert f"jobctl logs {failed}" in page.text
    assert "exit code 3" in page.text
    assert "50%" in page.said
    assert page.open == []


def test_a_page_of_a_home_without_a_store_says_that_nothing_happened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobctl = Calls(str(tmp_path / "nowhere"), capsys, monkeypatch)
    called = jobctl("report", "-o", "-")
    assert called.code == 0
    for said in ("Nothing ran.", "No job ended.", "No attempt failed.", "No schedule fired."):
        assert said in Page(called.out).said
    assert not (tmp_path / "nowhere").exists()


def test_hostile_names_and_messages_are_only_shown(history: History) -> None:
    for name in HOSTILE:
        history.run(name, 1)
    now = history.clock.now_ms()
    with history.store.write():
        history.store.daemons.add(DaemonDefinition(HOSTILE[0], ("true",)), DaemonSource.CLI, now)
    page = page_of(history)
    assert page.tags <= TAGS
    assert not {name for name in page.attributes if name.startswith("on")}
    assert not page.attributes & {"src", "href", "style", "srcset", "action", "data", "background"}
    assert HOSTILE[0] in page.text
    assert r"evil\x1b]52;c;AAAA\x07\x9b31m\u202ebidi\x01" in page.text
    assert page.text.replace("\n", "").isprintable()
    assert "x" * 500 not in page.text
    assert page.open == []


def test_the_page_allows_its_own_style_and_nothing_else(history: History) -> None:
    history.run("train")
    page = page_of(history)
    given = next(meta for meta in page.metas if meta.get("http-equiv") == "Content-Security-Policy")
    assert given["content"] == policy()
    digest = b64encode(sha256(page.style.encode()).digest()).decode()
    assert policy() == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"url\(|@import|://", page.style)


def test_many_runs_are_drawn_as_a_sample_with_the_failures_in_it(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(period_reports, "MOST_RUNS", 10)
    failed = history.run("rare", 1)
    for _ in range(20):
        history.run("common")
    now = history.clock.now_ms() + 1
    report = report_of(history.store, now - 24 * HOUR, now)
    assert (len(report.timeline.runs), report.timeline.total) == (10, 21)
    assert failed in {run.job_id for run in report.timeline.runs}
    assert sum(one.total for one in report.ends) == 21
    page = Page(report_html(report))
    assert any("10 of 21 runs by name" in said for said in page.said)


def test_a_run_that_goes_on_and_one_that_waits_for_another_attempt_are_drawn(history: History) -> None:
    running = history.submit("goes-on")
    history.start(running)
    again = history.submit("again", attempts=2)
    history.start(again)
    history.end(again, 1, again=True)
    page = page_of(history)
    assert f"job {running} goes-on: runs for" in page.text
    assert f"job {again} again: failed after" in page.text


def test_the_uptime_of_a_daemon_is_told_from_its_ends(history: History) -> None:
    now = history.clock.now_ms()
    with history.store.write():
        history.store.database.rows("UPDATE migrations SET applied_at=?", (now - 48 * HOUR,))
        history.store.daemons.add(DaemonDefinition("web", ("true",)), DaemonSource.CLI, now - 30 * HOUR)
        daemon = history.store.daemons.get("web")
        assert daemon is not None
        for number, (start, end, reason) in enumerate(((-30, -12, "exit"), (-11, -6, "stop")), 1):
            history.store.daemons.record_exit(
                daemon.id,
                DaemonExit(
                    Generation(number), 1, now + start * HOUR, now + end * HOUR, 1, None, reason, None
                ),
            )
        history.store.daemons.record(replace(daemon, state=DaemonState.STOPPED, generation=Generation(2)))
    report = report_of(history.store, now - 24 * HOUR, now)
    (web,) = report.daemons
    since = report.period.since or 0
    expected = (now - 12 * HOUR - since + 5 * HOUR) / 1000
    assert web.up_seconds(report.period) == pytest.approx(expected)
    assert (web.unasked_ends, [span.wished for span in web.spans]) == (1, [False, True])
    text = Page(report_html(report)).text
    assert "down for 1h" in text
    assert "stopped for 6h" in text
    assert "ended by itself 1×" in text


def test_a_supervisor_that_vanished_was_up_until_its_last_sign(history: History) -> None:
    history.run("train")
    last = history.store.timelines.last_sign()
    report = report_of(history.store, history.clock.now_ms() - HOUR, last + HOUR)
    assert report.supervisor.state == "down"
    assert [(span.end, span.reason) for span in report.supervisor.spans] == [(last, "lost")]


def test_the_punctuality_of_a_schedule_is_told(history: History) -> None:
    now = history.clock.now_ms()
    add_schedule(history.store, 7, "hourly")
    fires = [
        ("fired", 200, 1),
        ("fired", 5_000, 1),
        ("missed", None, 4),
        ("skipped", None, 1),
        ("failed", None, 1),
    ]
    with history.store.write():
        history.store.database.rows("UPDATE migrations SET applied_at=?", (now - HOUR,))
        for number, (outcome, late, count) in enumerate(fires, 1):
            history.store.database.rows(
                "INSERT INTO schedule_fires(schedule_id, due_at, decided_at, outcome, trigger, late_ms, count)"
                " VALUES(7,?,?,?,'slot',?,?)",
                (now - number * 1000, now - number * 1000, outcome, late, count),
            )
    report = report_of(history.store, now - HOUR, now)
    (track,) = report.schedules
    assert track.punctuality == Punctuality(7, "hourly", 2, 1, 2.6, 5.0, 1, 4, 1)
    text = Page(report_html(report)).text
    for said in ("fired 5s late", "4 slots missed", "4 missed", "1 failed", "1 skipped", "1 late (worst 5s)"):
        assert said in text.replace("\n", "")


def add_schedule(store: Store, number: int, name: str) -> None:
    """A schedule is on record."""
    with store.write():
        store.database.rows(
            "INSERT INTO schedules(id, name, kind, expression, rule, timezone, created_at, updated_at, enabled,"
            " missed, missed_grace_seconds, overlap, jitter_seconds, template, source, cursor_at)"
            " VALUES(?,?,'cron','0 * * * *','{}','UTC',1,1,1,'latest',1,'skip',0,'{}','command line',1)",
            (number, name),
        )


# --- where it goes ---


def test_a_new_file_is_private_and_a_replaced_one_keeps_its_permissions(
    history: History, jobctl: Calls, tmp_path: Path
) -> None:
    target = tmp_path / "report.html"
    assert jobctl("report", "-o", str(target)).code == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    target.chmod(0o644)
    target.write_text("old")
    link = tmp_path / "link.html"
    link.symlink_to(target)
    assert jobctl("report", "-o", str(link)).code == 0
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert sorted(os.listdir(tmp_path)) == ["home", "link.html", "report.html"]


def test_what_is_no_regular_file_is_written_into(jobctl: Calls) -> None:
    assert jobctl("report", "-o", os.devnull).code == 0
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "E_USAGE"),
        (("-o", "{tmp}"), 2, "E_PATH"),
        (("-o", "{tmp}/new/"), 2, "E_PATH"),
        (("-o", "{tmp}/none/report.html"), 2, "E_PATH"),
        (("-o", "{tmp}/home/jobctl.db"), 2, "E_PATH"),
        (("-o", "{tmp}/home/jobctl.db-wal"), 2, "E_PATH"),
        (("-o", ""), 2, "E_PATH"),
        (("-o", "{tmp}/" + "n" * 300), 5, "E_OUTPUT"),
        (("-o", "-", "--json"), 2, "E_USAGE"),
        (("--since", "tomorrow", "-o", "-"), 2, "E_USAGE"),
        (("--since", "soon", "-o", "-"), 2, "E_INSTANT"),
    ],
)
def test_what_cannot_be_written_or_meant_is_refused(
    jobctl: Calls, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    called = jobctl("report", *(word.format(tmp=tmp_path) for word in words))
    assert called.code == code, called
    assert said in called.err + called.out
    assert "Traceback" not in called.err
    assert os.listdir(tmp_path) == ["home"]


def test_json_has_the_figures_of_stats_and_what_is_drawn(
    history: History, jobctl: Calls, tmp_path: Path
) -> None:
    failed = history.run("train", 3)
    found = jobctl("report", "--json", "-o", str(tmp_path / "r.html")).document
    assert list(found) == [
        "path", "home", "version", "stats", "runs", "runs_total", "ends", "schedules", "supervisor", "daemons",
    ]  # fmt: skip
    assert (found["stats"]["failed"], found["runs_total"]) == (1, 1)
    assert [(run["job_id"], run["outcome"], run["exit_code"]) for run in found["runs"]] == [
        (failed, "failed", 3)
    ]
    assert sum(one["failed"] for one in found["ends"]) == 1
    assert (tmp_path / "r.html").exists()
    assert "path" not in jobctl("report", "--json").document
