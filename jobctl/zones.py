"""Time zones by their IANA names: the only reader of the zone database. A schedule stores the name, never an offset."""

from __future__ import annotations

import errno
import re
from zoneinfo import ZoneInfo, available_timezones

from jobctl.errors import BadInputError, UnusableError

_NAME = r"[A-Za-z0-9+_-]+(?:/[A-Za-z0-9+_-]+)*"
_DATABASE = "zoneinfo/"
_EXAMPLES = "give an IANA name; examples: Europe/Berlin, America/New_York, UTC"
_NO_ZONE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG}
"""A directory, or nothing that is for us. Anything else says nothing about the name."""


def find_zone(name: str, what: str = "time zone") -> ZoneInfo:
    """The zone of that IANA name.

    Raises:
        BadInputError: ``E_ZONE``: unknown, with the nearest names there are.
        UnusableError: it could not be read, for want of descriptors, say.
    """
    found = _zone(name)
    if found is None:
        raise BadInputError(f"unknown {what}", name, _hint(name), "E_ZONE")
    return found


def zone_or_utc(name: str) -> ZoneInfo:
    """The zone to show times in; UTC for one that this machine does not know (any more)."""
    return _zone(name) or ZoneInfo("UTC")


def machine_zone_name(variable: str | None, link: str | None, file_text: str | None) -> str | None:
    """The name of this machine's zone, from what was read; None if nothing tells one.

    Args:
        variable: ``$TZ``, which wins: a name, ``:name`` or the path of a zone file. Empty means UTC (tzset(3)).
            A rule of POSIX, such as ``CET-1CEST,M3.5.0``, has no name: None, and the user must give one.
        link: where the symbolic link ``/etc/localtime`` points.
        file_text: ``/etc/timezone``.
    """
    if variable is not None:
        return _named(variable.removeprefix(":")) if variable.strip(":") else "UTC"
    return _named(link) or _named((file_text or "").strip())


def _named(text: str | None) -> str | None:
    if not text:
        return None
    name = text.rpartition(_DATABASE)[2] if _DATABASE in text else text
    name = name.removeprefix("posix/").removeprefix("right/")
    return name if _zone(name) is not None else None


def _zone(name: str) -> ZoneInfo | None:
    if len(name) > 64 or not re.fullmatch(_NAME, name):
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, LookupError):  # not a zone file; ZoneInfoNotFoundError
        return None
    except OSError as error:
        if error.errno in _NO_ZONE:
            return None
        raise UnusableError(f"cannot read the time zone ({error.strerror})", name, code="E_SYSTEM") from error


def _hint(name: str) -> str:
    """The nearest names: by the city when the continent is missing, else by the letters."""
    known = available_timezones()
    word = re.sub(r"[ -]+", "_", name.strip()).lower()
    same = sorted(zone for zone in known if zone.lower() == word or zone.lower().endswith("/" + word))
    if same:
        return f"did you mean {same[0]}?"
    from difflib import get_close_matches  # only on the way to an error

    near = get_close_matches(word[:60], by_lower := {zone.lower(): zone for zone in known}, 1)
    return f"did you mean {by_lower[near[0]]}?" if near else _EXAMPLES
