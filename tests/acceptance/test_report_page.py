"""The page of ``report`` in a real browser: nothing is refused, nothing is asked of the network, all of it is drawn."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobctl.actions.period_reports import report_of
from jobctl.model.statistics import HOUR
from jobctl.views.report_html import report_html
from tests.support.histories import History

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")
HOSTILE = "<script>document.title='pwned'</script><img src=http://127.0.0.1:9/x>"


@dataclass(frozen=True, slots=True)
class Visit:
    """What a browser made of a page."""

    document: str
    console: list[str]
    asked: set[str]
    """The addresses it asked for, those of the browser itself left aside."""


def visit(page: Path, directory: Path) -> Visit:
    """The page was opened in a headless browser of its own, which has ended."""
    directory.mkdir()
    net_log = directory / "net.json"
    assert BROWSER is not None
    ended = subprocess.run(
        [
            BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            "--disable-component-update", "--disable-dev-shm-usage", "--no-first-run",
            f"--user-data-dir={directory}/profile", f"--log-net-log={net_log}", "--enable-logging=stderr",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1200,800", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, stdin=subprocess.DEVNULL, text=True, encoding="utf-8", timeout=120,
        env={"HOME": str(directory), "PATH": "/usr/bin:/bin", "TZ": "UTC"}, check=True,
    )  # fmt: skip
    console = re.findall(r"CONSOLE[:(]\d+\)?\] (.*)", ended.stderr)
    log = json.loads(net_log.read_text(encoding="utf-8"))
    asked = {
        event["params"]["url"]
        for event in log["events"]
        if isinstance(event.get("params"), dict) and isinstance(event["params"].get("url"), str)
    }
    return Visit(ended.stdout, console, {url for url in asked if not _is_its_own(url)})


def _is_its_own(url: str) -> bool:
    """Whether the browser asks by itself, whatever page it shows."""
    return url.startswith(("chrome", "devtools", "about:")) or bool(
        re.match(r"https?://[\w.-]*\.?(google|googleapis|gvt1|gstatic|chromium)\.(com|org)/", url)
    )


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    history = History(tmp_path / "home")
    history.run("train")
    history.run(HOSTILE, 3, HOSTILE.encode())
    now = history.clock.now_ms() + 1
    yield report_html(report_of(history.store, now - HOUR, now))
    history.close()


def test_a_browser_shows_the_page_and_asks_for_nothing(page: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    seen = visit(path, tmp_path / "good")
    assert seen.console == []
    assert seen.asked <= {path.as_uri()}
    assert "<title>jobctl report" in seen.document
    assert seen.document.count("<section") == 7
    # The same page with what it must never hold: this test would notice.
    bad = tmp_path / "bad.html"
    bad.write_text(page.replace("</main>", f"{HOSTILE}</main>"), encoding="utf-8")
    refused = visit(bad, tmp_path / "bad").console
    assert any("script" in said for said in refused)
    assert any("127.0.0.1:9" in said for said in refused)
