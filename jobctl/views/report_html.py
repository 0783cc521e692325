"""A report as one HTML page that needs nothing else: no network, no script, no font, no picture.

The page's own policy forbids all of these; only the style sheet in it is allowed, by its hash.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from jobctl.model.period_reports import PeriodReport
from jobctl.views.instants import instant_json, length, wall
from jobctl.views.markup import Markup, element, join, text
from jobctl.views.report_axes import Axis, instant_text
from jobctl.views.report_sections import (
    daemons_section,
    depth_section,
    durations_section,
    ends_section,
    failures_section,
    figures_section,
    schedules_section,
    timeline_section,
)
from jobctl.views.report_style import STYLE

_MOST_CELLS = 200


def report_html(report: PeriodReport) -> str:
    """The page."""
    axis = Axis.of(report.period)
    body = element(
        "main",
        _header(report),
        figures_section(report),
        timeline_section(report, axis),
        ends_section(report, axis),
        depth_section(report, axis),
        durations_section(report),
        failures_section(report),
        schedules_section(report, axis),
        daemons_section(report, axis),
        _footer(report),
    )
    page = element("html", _head(report), element("body", body), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def policy() -> str:
    """What the page may load: nothing. Its style sheet is known by its hash (CSP level 2)."""
    digest = b64encode(sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _head(report: PeriodReport) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy()),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="robots", content="noindex"),
        element("meta", name="generator", content=f"jobctl {report.version}"),
        element(
            "title", f"jobctl report, {wall(report.period.since)[:10]} to {wall(report.period.until)[:10]}"
        ),
        # The style sheet is ours and must reach the browser as it was hashed.
        element("style", Markup(STYLE)),
    )


def _header(report: PeriodReport) -> Markup:
    period = report.period
    return element(
        "header",
        element("h1", "jobctl report"),
        element(
            "p",
            element("span", wall(period.since), title=instant_text(period.since or 0)),
            " to ",
            element("span", wall(period.until), title=instant_text(period.until)),
            f" ({length(period.seconds)}), ",
            element("code", text(report.home, _MOST_CELLS), class_="any"),
            class_="soft",
        ),
    )


def _footer(report: PeriodReport) -> Markup:
    made = f"Made by jobctl {report.version} at {instant_json(report.now)}. "
    parts = [
        made,
        "Times are those of the machine that made it; what is under the pointer tells UTC, too. ",
        "Medians and p95 are exact to 5 %.",
    ]
    return element("footer", join(parts))
