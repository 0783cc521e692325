"""Spools: the O_APPEND files that a daemon writes to, tailed into its log.

The daemon is never blocked: the kernel copies what it writes, and a dead or slow supervisor finds it there. A look
takes what is new, writes it to the log, saves both positions in one write (``log_positions``) and gives the blocks
behind it back. So whatever instruction a SIGKILL hits: what was not saved is cut off the log and taken again.

One spool a stream and generation (``stdout.log`` and ``stderr.log`` of its attempt directory). A generation is taken
to its end before the next one begins, so one pair of offsets is all there is to remember.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

from jobctl.clock import Clock
from jobctl.executors.compressor import Compressor
from jobctl.executors.log_lines import HEADER_BYTES, LONGEST_PART, Frame, frames, head_of, stamp
from jobctl.executors.log_positions import STREAMS, LogPosition, PositionFile, Taken
from jobctl.executors.log_rotation import DEFAULT_LIMITS, LogLimits, LogSegments, clear_leftovers, segments
from jobctl.executors.spool_tails import Chunk, SpoolTail

TURN_BYTES = 1 << 20
"""A look writes about so much; 4 ms."""
DRAIN_BYTES = 256 << 20
RETRY_SECONDS = 1.0
"""After a full disk, say, the next try comes this much later."""

_MOST_BACKLOG = 1 << 30
_ROTATION_COST = 1 << 18
"""Making a file, closing one and removing one: 1 to 2 ms in all (ext4)."""
_LOOK_COST = 1 << 10


@dataclass(frozen=True, slots=True)
class Spool:
    """What one generation of a daemon writes to."""

    generation: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Pumped:
    """What one look brought."""

    pieces: tuple[tuple[str, bytes], ...] = ()
    """Stream, and whole lines as they were written (a long one in parts)."""
    more: bool = False
    """There is more: look again in the next turn, not in a tenth of a second."""
    problem: str | None = None
    """Why the log cannot be written now. Nothing is lost; later looks try again."""


class SpoolPump:
    """Takes one daemon's output into its log; for the supervisor's loop alone, at 10 Hz.

    Args:
        directory: of the log; made if need be, when there is something to take.
        daemon_id: generations are counted anew under another one.
        limits: may be changed at any time.
        compressor: without one rotated files stay as they are.
    """

    def __init__(
        self,
        directory: str,
        daemon_id: int,
        clock: Clock,
        limits: LogLimits = DEFAULT_LIMITS,
        compressor: Compressor | None = None,
    ) -> None:
        self.limits = limits
        self._directory = directory
        self._daemon_id = daemon_id
        self._clock = clock
        self._segments = LogSegments(directory, compressor)
        self._positions: PositionFile | None = None
        self._position = LogPosition(daemon_id, 0, 0, 0)
        self._sound = False
        """What is open is as the position says."""
        self._cleared = False
        self._queue: list[_Generation] = []
        self._retry_at = float("-inf")
        self._problem: str | None = None
        self._left = 0
        self._done = 0
        self._at = b""

    def begin(self, spool: Spool) -> None:
        """What the generation writes is taken, once the older ones are in. It may be begun again, after a restart.

        Generations are begun in ascending order, or all of them before the next look. Where their count went back
        (the store is an older copy) the lower one is taken all the same, if it has anything.
        """
        if any(spool.generation == one.spool.generation for one in self._queue):
            return
        self._queue.append(_Generation(spool))
        self._queue.sort(key=lambda one: one.spool.generation)

    def end(self, generation: int) -> None:
        """Nothing of the generation runs any more: the looks to come take its last lines, then it is cleared away.

        A last line without a newline is taken then. Its spools must not be removed while it is ``pending``.
        """
        for one in self._queue:
            if one.spool.generation == generation and not one.ended:
                one.end()

    @property
    def pending(self) -> tuple[int, ...]:
        """Generations that were begun and are not wholly in the log."""
        return tuple(one.spool.generation for one in self._queue)

    def pump(self, budget: int = TURN_BYTES) -> Pumped:
        """About ``budget`` bytes of what is new are in the log. Never raises ``OSError``, and never waits."""
        if self._clock.monotonic() < self._retry_at:
            return Pumped(problem=self._problem)
        self._left = budget
        pieces: list[tuple[str, bytes]] = []
        try:
            more = self._take_all(pieces)
            self._problem = None
        except OSError as error:
            more, self._sound = False, False
            self._problem = f"the log cannot be written: {error.strerror or error}"
            self._retry_at = self._clock.monotonic() + RETRY_SECONDS
        return Pumped(tuple(pieces), more, self._problem)

    def drain(self, most: int = DRAIN_BYTES) -> Pumped:
        """As many looks as it takes until there is nothing to take now, or ``most`` bytes were."""
        pieces: list[tuple[str, bytes]] = []
        while True:
            pumped = self.pump()
            pieces += pumped.pieces
            most -= TURN_BYTES
            if not pumped.more or most <= 0:
                return Pumped(tuple(pieces), pumped.more, pumped.problem)

    def close(self) -> None:
        """Nothing is open; another pump may go on."""
        for one in self._queue:
            one.close()
        self._queue.clear()
        self._close_log()

    def _take_all(self, pieces: list[tuple[str, bytes]]) -> bool:
        """Whether there is more. What was saved is in ``pieces`` even when this raises."""
        if not self._segments.untidy and not any(one.is_due() for one in self._queue):
            self._close_log()  # two descriptors less for each quiet daemon
            return False
        self._make_sound()
        self._at = b""
        more = False
        while not more and (first := self._first()) is not None:
            found = [self._take(first, stream, pieces) for stream in STREAMS]
            if any(found):
                more = self._left <= 0
            elif first.ended:
                self._finish(first)
            else:
                break
        if self._segments.untidy:
            self._segments.tidy(self.limits)
        return more

    def _first(self) -> _Generation | None:
        """The generation to take now, and the position is one in it; those with nothing left to take are cleared."""
        begun = self._position.generation
        current = next((one for one in self._queue if one.spool.generation == begun), None)
        if current is not None and not current.ended:
            self._clear_older(begun)
        if current is not None:
            return current
        while self._queue:
            one = self._queue[0]
            if one.spool.generation > begun or not one.ended or one.is_new():
                self._save(
                    self._position._replace(generation=one.spool.generation, stdout=Taken(), stderr=Taken())
                )
                return one
            del self._queue[0]
            one.clear()
        return None

    def _clear_older(self, generation: int) -> None:
        """What is left of those before a living one could not be unlinked when it was taken."""
        for one in [one for one in self._queue if one.ended and one.spool.generation < generation]:
            self._queue.remove(one)
            one.clear()

    def _take(self, generation: _Generation, stream: str, pieces: list[tuple[str, bytes]]) -> bool:
        """Whether anything of the stream was taken: one chunk."""
        self._left -= _LOOK_COST
        tail = generation.tails[stream]
        if not tail.is_new():
            return False
        longest = self._longest
        chunk = tail.read(self._position.taken(stream), longest, self._backlog)
        if chunk.dropped:
            self._skip(stream, chunk)
        if chunk.restarted:
            self._reopen_line(stream)
        final = generation.ended and chunk.complete
        self._done = 0
        try:
            for frame in frames(chunk.data, self._head(stream), longest, final=final):
                self._append(stream, chunk, frame)
                if self._left <= 0:
                    break
        finally:
            if self._done:
                pieces.append((stream, chunk.data[: self._done]))
        if not self._done:
            tail.wait(chunk)
            return False
        tail.give_back(chunk.offset + self._done)
        return True

    def _append(self, stream: str, chunk: Chunk, frame: Frame) -> None:
        """The frame's lines, as many as this look may take, are in the log, and how much is done is on record."""
        text, begin = frame.text, 0
        view = memoryview(text)
        while begin < len(text) and (self._left > 0 or not self._done):
            room = self.limits.largest - self._position.size
            end = len(text)
            if end - begin > room:
                end = text.rfind(b"\n", begin, begin + max(room, 0)) + 1
                if not end and self._position.size:
                    self._rotate()
                    continue
                end = end or text.index(b"\n", begin) + 1
            self._segments.write(view[begin:end], self._position.size)
            done = self._done + end - begin - frame.overhead * text.count(b"\n", begin, end)
            taken = Taken(chunk.offset + done, chunk.ending(done), frame.cut)
            self._save(self._position.with_taken(stream, taken, self._position.size + end - begin))
            self._done = done
            self._left -= end - begin
            begin = end

    def _skip(self, stream: str, chunk: Chunk) -> None:
        """A line tells that so much was written that it could not even be read."""
        text = self._head(stream) + b" " + chunk.marker() + b"\n"
        self._write_line(text, stream, Taken(chunk.offset, chunk.ending(0)))

    def _reopen_line(self, stream: str) -> None:
        """The spool is read from its beginning, for its writer truncated it; a line that went on has ended."""
        if self._position.taken(stream).cut:
            self._write_line(self._head(stream) + b" \n", stream, Taken())

    def _write_line(self, text: bytes, stream: str, taken: Taken) -> None:
        if self._position.size + len(text) > self.limits.largest:
            self._rotate()
        self._segments.write(text, self._position.size)
        self._save(self._position.with_taken(stream, taken, self._position.size + len(text)))

    def _finish(self, generation: _Generation) -> None:
        """All of it is in the log, its spools are gone, and that is on record.

        In this order: what stands in the spools of a generation below the position was never taken.
        """
        for stream in STREAMS:
            taken = self._position.taken(stream)
            if taken.cut:
                self._write_line(self._head(stream) + b" \n", stream, taken._replace(cut=False))
        generation.clear()
        following = generation.spool.generation + 1
        self._save(self._position._replace(generation=following, stdout=Taken(), stderr=Taken()))
        self._queue.remove(generation)

    def _rotate(self) -> None:
        """An empty file is the newest; the position says so before anything is written to it."""
        number = self._position.segment + 1
        self._segments.open(number, 0)
        self._save(self._position._replace(segment=number, size=0))
        self._left -= _ROTATION_COST

    def _save(self, position: LogPosition) -> None:
        if self._positions is None:
            raise OSError("the log is not open")
        self._positions.save(position)
        self._position = position

    def _make_sound(self) -> None:
        """The log is open where the position says, and what was written behind it is cut off."""
        if self._positions is not None and (
            self._positions.is_gone or (self._sound and self._segments.is_gone)
        ):
            self._close_log()
        if self._sound:
            return
        if self._positions is None:
            self._open_positions()
        size = self._segments.open(self._position.segment, self._position.size)
        if size != self._position.size:
            self._save(self._position._replace(size=size))
        self._sound = True

    def _open_positions(self) -> None:
        os.makedirs(self._directory, 0o700, exist_ok=True)
        positions = PositionFile(f"{self._directory}/state")
        try:
            self._position = self._loaded(positions)
            if not self._cleared:
                clear_leftovers(self._directory)
                self._cleared = True
        except BaseException:
            positions.close()
            raise
        self._positions = positions

    def _close_log(self) -> None:
        self._sound = False
        self._segments.close()
        if self._positions is not None:
            self._positions.close()
            self._positions = None

    def _loaded(self, positions: PositionFile) -> LogPosition:
        found = positions.load()
        known = self._position
        if found is None:  # new, damaged or removed: never into a file that somebody wrote, or reads
            return known._replace(segment=max([known.segment, *segments(self._directory)]) + 1, size=0)
        if known.generation:  # this pump's own, whatever was put into its place
            return known._replace(segment=found.segment, size=found.size)
        if found.daemon_id != self._daemon_id:
            return LogPosition(self._daemon_id, found.segment, found.size, 0)
        return found

    def _head(self, stream: str) -> bytes:
        """What each line of this look begins with."""
        if not self._at:
            self._at = stamp(self._clock.now_ms())
        return head_of(self._at, stream)

    @property
    def _longest(self) -> int:
        return min(LONGEST_PART, self.limits.largest - HEADER_BYTES - 1)

    @property
    def _backlog(self) -> int:
        """What is further behind than all that would be kept is not read at all."""
        return max(_MOST_BACKLOG, self.limits.largest * (self.limits.files + 1))


class _Generation:
    """One generation in the queue."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.ended = False
        self.tails: Mapping[str, SpoolTail] = {
            "stdout": SpoolTail(spool.stdout),
            "stderr": SpoolTail(spool.stderr),
        }

    def is_new(self) -> bool:
        """Whether there is anything to take."""
        return any(tail.is_new() for tail in self.tails.values())

    def is_due(self) -> bool:
        """Whether there is anything to take, or to finish."""
        return self.ended or self.is_new()

    def end(self) -> None:
        """Nothing will be written any more; what is there is looked at again."""
        self.ended = True
        for tail in self.tails.values():
            tail.look_again()

    def clear(self) -> None:
        """Its spools are gone."""
        self.close()
        for path in (self.spool.stdout, self.spool.stderr):
            with contextlib.suppress(OSError):  # its directory is removed as a whole later
                os.unlink(path)

    def close(self) -> None:
        """Its spools are not open."""
        for tail in self.tails.values():
            tail.close()
