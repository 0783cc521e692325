"""What a mistyped function may have been meant as: nothing far-fetched."""

from __future__ import annotations

import pytest

from jobctl.model.functions import near_functions
from jobctl.model.problems import did_you_mean

KNOWN = ["ml:err", "ml:score", "ml:train", "other:scores"]


@pytest.mark.parametrize(
    ("name", "near"),
    [("ml:scor", ["ml:score"]), ("ml:newf", []), ("ml:go", []), ("m:score", ["ml:score"]), ("ml:trian", ["ml:train"])],
)  # fmt: skip
def test_only_what_is_like_it(name: str, near: list[str]) -> None:
    assert near_functions(name, KNOWN) == near


def test_short_words_must_be_very_alike() -> None:
    assert did_you_mean("nme", ["name", "cwd"]) == "did you mean name?"
    assert did_you_mean("ab", ["abcde"]) == "known: abcde"
