"""How long things took, in little room: a mergeable histogram with buckets that grow by a tenth.

The idea is DDSketch's (Masson, Rim, Lee: VLDB 2019): a quantile read from it is off by at most 4.8 % of itself,
however the durations are spread, and two sketches are merged by adding their counts.
"""

from __future__ import annotations

import json
import math

GROWTH = 1.1
ERROR = (GROWTH - 1) / (GROWTH + 1)
"""The largest relative error of a quantile."""
_LOG = math.log(GROWTH)
_LARGEST = math.ceil(math.log(100 * 366 * 86_400_000) / _LOG) + 1
"""The bucket of a hundred years; whatever is longer is counted there."""


class Sketch:
    """Counts of durations by bucket: 0 holds what took no millisecond, ``i`` what took about 1.1^(i-1) ms."""

    __slots__ = ("counts",)

    def __init__(self, counts: dict[int, int] | None = None) -> None:
        self.counts: dict[int, int] = {} if counts is None else counts

    def add(self, milliseconds: float) -> None:
        """One more duration is counted."""
        bucket = bucket_of(milliseconds)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1

    def merge(self, other: Sketch) -> None:
        """What the other one has counted is counted here too."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count

    @property
    def total(self) -> int:
        """How many durations were counted."""
        return sum(self.counts.values())

    def quantile_seconds(self, share: float) -> float | None:
        """The duration that ``share`` (0 to 1) of all do not exceed, within ``ERROR``; None without any."""
        return _quantile(self.counts, share)

    def at_most(self, seconds: float) -> int:
        """How many took at most so long, as far as the buckets tell."""
        limit = bucket_of(seconds * 1000)
        return sum(count for bucket, count in self.counts.items() if bucket <= limit)

    def bars(self, most: int) -> list[tuple[float, float, int]]:
        """At most ``most`` adjoining ranges that hold all: from and to in seconds, and how many."""
        if not self.counts:
            return []
        first, last = min(self.counts), max(self.counts)
        step = max(1, math.ceil((last - first + 1) / most))
        return [
            (
                0.0 if start == 0 else _edge(start - 1) / 1000,
                _edge(start + step - 1) / 1000,
                sum(self.counts.get(bucket, 0) for bucket in range(start, start + step)),
            )
            for start in range(first, last + 1, step)
        ]

    def text(self) -> str:
        """As it is stored: bucket, count, bucket, count, …"""
        return json.dumps([number for pair in self.counts.items() for number in pair], separators=(",", ":"))

    @classmethod
    def of(cls, text: str) -> Sketch:
        """The sketch that was stored as ``text``."""
        flat = json.loads(text)
        return cls(dict(zip(flat[::2], flat[1::2], strict=True)))

    @classmethod
    def of_all(cls, texts: str) -> Sketch:
        """Stored sketches, joined by commas, as one."""
        counts: dict[int, int] = {}
        for flat in json.loads(f"[{texts}]"):
            for bucket, count in zip(flat[::2], flat[1::2], strict=True):
                counts[bucket] = counts.get(bucket, 0) + count
        return cls(counts)


def merged(one: str, other: str) -> str:
    """Two stored sketches as one."""
    sketch = Sketch.of(one)
    sketch.merge(Sketch.of(other))
    return sketch.text()


def bucket_of(milliseconds: float) -> int:
    """The bucket that counts a duration."""
    if milliseconds < 1:
        return 0
    # The tolerance keeps a value on an edge, such as 1.1 ** 7, on its own side of it.
    return min(_LARGEST, 1 + math.ceil(math.log(milliseconds) / _LOG - 1e-9))


def _quantile(counts: dict[int, int], share: float) -> float | None:
    wanted = math.ceil(share * sum(counts.values()))
    passed = 0
    for bucket, count in sorted(counts.items()):
        passed += count
        if passed >= wanted:
            # The middle of the bucket: no further than ERROR from either edge.
            return 0.0 if bucket == 0 else 2 * _edge(bucket) / (GROWTH + 1) / 1000
    return None


def _edge(bucket: int) -> float:
    """The longest duration of a bucket, in milliseconds."""
    return 0.0 if bucket <= 0 else GROWTH ** (bucket - 1)
