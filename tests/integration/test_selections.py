"""Selectors over a store: what each finds, alone and joined, in every verb that takes jobs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.actions.admissions import needed_jobs
from jobctl.errors import NotFoundError
from jobctl.model.filters import JobFilter
from jobctl.model.jobs import Job
from jobctl.model.selectors import SelectorKind, SelectorPart, parse_selector
from jobctl.model.states import JobStatus
from jobctl.store import Store
from tests.support.calls import Calls
from tests.support.stores import HandClock, make_submission, open_store

COUNT = 24


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Jobs of every kind a selector tells apart; nothing changes them."""
    clock = HandClock()
    made = open_store(tmp_path_factory.mktemp("selections"), clock)
    with made.write():
        made.queues.add("gpu", 1, clock.now)
        for number in range(COUNT):
            made.submissions.submit(
                [
                    make_submission(
                        ("alpha", "beta", "gamma")[number % 3],
                        queue="gpu" if number % 5 == 0 else "default",
                        tags=("even",) if number % 2 == 0 else ("odd", "x"),
                        hold=number % 4 == 0,
                        parent_id=1 if number % 7 == 1 else None,
                        submitted_by="job:1" if number % 7 == 1 else None,
                    )
                ],
                clock.now,
            )
        for job in made.jobs.list(JobFilter()):
            if job.id % 6 == 0:
                made.transitions.cancel_waiting(job.id, "requested", clock.now)
    return made


@pytest.fixture
def calls(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(str(tmp_path / "home"), capsys, monkeypatch)


def matches(part: SelectorPart, job: Job, newest_by_hand: int) -> bool:
    """The rule of CLI.md, job by job."""
    match part.kind:
        case SelectorKind.IDS:
            return (part.first or 0) <= job.id <= (part.last or 0)
        case SelectorKind.LAST:
            return job.id == newest_by_hand
        case SelectorKind.ALL:
            return True
        case SelectorKind.STATE:
            return job.status.value == part.text
        case SelectorKind.NAME:
            return job.name == part.text
        case SelectorKind.TAG:
            return part.text in job.tags
        case SelectorKind.QUEUE:
            return job.queue == part.text
        case SelectorKind.PARENT:
            return job.parent_id == part.first
        case SelectorKind.BATCH:
            return False


ids = st.integers(1, COUNT + 3)
parts = st.one_of(
    ids.map(str),
    st.tuples(ids, ids).map(lambda pair: f"{min(pair)}-{max(pair)}"),
    st.sampled_from(["last", "all", *(f"@{status.value}" for status in JobStatus)]),
    st.sampled_from(["name:alpha", "name:none", "tag:even", "tag:x", "tag:none", "queue:gpu", "queue:none"]),
    st.sampled_from(["parent:1", "parent:2", "batch:1"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(parts, min_size=1, max_size=5).map(",".join))
def test_a_selector_finds_exactly_the_jobs_its_parts_describe_each_once(store: Store, text: str) -> None:
    jobs = store.jobs.list(JobFilter())
    newest = max(job.id for job in jobs if job.submitted_by is None)
    selector = parse_selector(text)
    wanted = sorted(job.id for job in jobs if any(matches(part, job, newest) for part in selector.parts))
    assert [found.id for found in store.jobs.select(selector)] == wanted
    assert sorted(job.id for job in store.jobs.list(JobFilter(selector=selector))) == wanted


@settings(max_examples=100, deadline=None)
@given(st.lists(parts, min_size=1, max_size=4).map(",".join))
def test_what_is_waited_for_is_what_is_selected_of_a_name_the_newest(store: Store, text: str) -> None:
    selector = parse_selector(text)
    found = [[job.id for job in store.jobs.select(parse_selector(str(part)))] for part in selector.parts]
    if not all(found):
        with pytest.raises(NotFoundError):
            needed_jobs(store, text)
        return
    wanted = {
        job_id
        for part, some in zip(selector.parts, found, strict=True)
        for job_id in (some[-1:] if part.kind is SelectorKind.NAME else some)
    }
    assert set(needed_jobs(store, text)) == wanted


@pytest.mark.parametrize(
    "selector", ["1,3,5-6", "last", "@queued", "name:a", "tag:t", "queue:default", "all"]
)
@pytest.mark.parametrize("verb", ["list", "logs", "cancel", "hold", "release", "retry", "wait"])
def test_every_verb_that_takes_jobs_takes_every_selector(
    tmp_path: Path, verb: str, selector: str, calls: Calls
) -> None:
    lines = tmp_path / "jobs.jsonl"
    lines.write_text('{"command": ["true"], "name": "a", "tags": ["t"]}\n' * 7)
    assert calls("submit", "--jsonl", str(lines)).code == 0
    extra = {"cancel": ["-y"], "wait": ["--timeout", "0"]}.get(verb, [])
    ended = calls(verb, selector, *extra)
    outright = selector in ("1,3,5-6", "last")
    expected = {"wait": 124, "retry": 4 if outright else 0, "release": 4 if outright else 0}.get(verb, 0)
    assert ended.code == expected, ended.err


def test_last_is_the_newest_of_what_the_verb_is_about(tmp_path: Path, calls: Calls) -> None:
    flow = tmp_path / "flow.yaml"
    flow.write_text("steps: [{id: ask, approve: true}]")
    assert calls("batch", "-q", "--", "true", ":::", "a", "b").out == "1\n"
    assert calls("workflow", "run", str(flow), "-q").out == "4\n"
    calls("submit", "--", "true")
    assert json.loads(calls("batch", "show", "last", "--json").out)["id"] == 1
    assert "no item of the batch to retry: '1'" in calls("batch", "retry", "last").err
    assert json.loads(calls("workflow", "show", "last", "--json").out)["id"] == 4
    watched = calls("watch", "workflow", "last")
    assert (watched.code, "ask" in watched.out) == (0, True), watched.err
