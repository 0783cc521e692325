from __future__ import annotations

import pytest

from jobctl.errors import BadInputError
from jobctl.zones import find_zone, machine_zone_name


def test_a_zone_keeps_its_name() -> None:
    assert find_zone("Europe/Berlin").key == "Europe/Berlin"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Berlin", "did you mean Europe/Berlin?"),
        ("new york", "did you mean America/New_York?"),
        ("Europe/Berln", "did you mean Europe/Berlin?"),
        ("utc ", "did you mean"),
        ("qqqqqqqq", "IANA name"),
        ("", "IANA name"),
        ("../../etc/passwd", "IANA name"),
        ("Europe", "did you mean"),
        ("Europe/Berlin\x00", "did you mean"),
        ("x" * 500, "IANA name"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(BadInputError, match="unknown time zone") as caught:
        find_zone(name)
    assert caught.value.code == "E_ZONE"
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("variable", "link", "text", "name"),
    [
        ("Asia/Tokyo", "/usr/share/zoneinfo/Europe/Berlin", "UTC", "Asia/Tokyo"),
        (":Asia/Tokyo", None, None, "Asia/Tokyo"),
        ("/usr/share/zoneinfo/Asia/Tokyo", None, None, "Asia/Tokyo"),
        ("", "/usr/share/zoneinfo/Europe/Berlin", None, "UTC"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "/usr/share/zoneinfo/Europe/Berlin", None, None),
        (None, "/usr/share/zoneinfo/Europe/Berlin", "Asia/Tokyo", "Europe/Berlin"),
        (None, "../usr/share/zoneinfo/posix/Europe/Berlin", None, "Europe/Berlin"),
        (None, "/etc/somewhere", "Europe/Berlin\n", "Europe/Berlin"),
        (None, None, "Europe/Berlin\n", "Europe/Berlin"),
        (None, None, "", None),
        (None, None, None, None),
    ],
)
def test_the_machine_tells_its_zone(
    variable: str | None, link: str | None, text: str | None, name: str | None
) -> None:
    assert machine_zone_name(variable, link, text) == name
