"""The pictures of README.md are there, need nothing else, and show the calls that README.md names."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from rich.text import Text

from tests.docs import pictures, readme
from tests.docs.pictures import ALL, PICTURES, Picture

_SVG = "{http://www.w3.org/2000/svg}"
_EMBEDDED = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")
MOST_BYTES = 150_000


def embedded() -> dict[str, str]:
    """What README.md says of each picture, by its path."""
    return {path: said for said, path in _EMBEDDED.findall(readme.text())}


def test_every_picture_is_in_the_readme_and_its_words_name_the_call() -> None:
    found = embedded()
    assert set(found) == {f".pictures/{picture.name}.svg" for picture in ALL}
    for picture in ALL:
        assert f"`{picture.command}`" in found[f".pictures/{picture.name}.svg"]
    assert {path.name for path in PICTURES.iterdir()} == {f"{picture.name}.svg" for picture in ALL}


def test_the_first_picture_is_the_dashboard() -> None:
    assert next(iter(embedded())) == ".pictures/dashboard.svg"


@pytest.mark.parametrize("picture", ALL, ids=lambda picture: picture.name)
def test_a_picture_needs_nothing_else(picture: Picture) -> None:
    text = (PICTURES / f"{picture.name}.svg").read_text(encoding="utf-8")
    assert len(text.encode()) < MOST_BYTES
    check(text)
    shown = "".join(ElementTree.fromstring(text).itertext()).replace("\xa0", " ")
    assert picture.command in shown
    assert "Traceback" not in shown
    assert "jobctl: error" not in shown


def check(text: str) -> None:
    """The picture is SVG that runs nothing and loads nothing, and is of no one machine."""
    root = ElementTree.fromstring(text)
    assert root.tag == f"{_SVG}svg"
    assert {node.tag.removeprefix(_SVG) for node in root.iter()} <= {
        "svg", "style", "defs", "clipPath", "rect", "text", "g", "circle",
    }  # fmt: skip
    assert not re.search(r"@import|@font-face|href|<script|/root/|/tmp/", text)
    assert set(re.findall(r"url\(([^)]*)\)", text)) <= set(re.findall(r"url\((#jobctl-[\w-]+)\)", text))


def test_what_is_exported_anew_needs_nothing_else() -> None:
    made = pictures.svg_of(Picture("new", ("status",), 40), Text("✓ done <&>", "green"))
    check(made)
    assert "jobctl status" in "".join(ElementTree.fromstring(made).itertext()).replace("\xa0", " ")
