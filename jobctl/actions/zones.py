"""Which time zone this machine keeps, by its IANA name."""

from __future__ import annotations

import os

from jobctl.zones import machine_zone_name

_LINK = "/etc/localtime"
_FILE = "/etc/timezone"


def machine_zone() -> str | None:
    """The name that ``$TZ``, the link ``/etc/localtime`` or ``/etc/timezone`` gives; UTC if none of them exists."""
    link, text = _link_target(), _first_line()
    if os.environ.get("TZ") is None and link is None and text is None and not os.path.exists(_LINK):
        return "UTC"  # what the C library does without /etc/localtime: tzset(3)
    return machine_zone_name(os.environ.get("TZ"), link, text)


def _link_target() -> str | None:
    try:
        return os.readlink(_LINK)
    except OSError:  # missing, or a copy instead of a link
        return None


def _first_line() -> str | None:
    try:
        with open(_FILE, encoding="ascii", errors="replace") as file:
            return file.readline(100)
    except OSError:  # most systems have none
        return None
