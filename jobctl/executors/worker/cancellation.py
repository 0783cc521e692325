"""How a job is told to end: SIGTERM, and the file ``cancel`` says which job is meant."""

from __future__ import annotations

from json import load

from jobctl.context import Cancelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jobctl.executors.worker.loops import EventLoop


class Cancellation:
    """Whether the current job is to end. ``hear`` is called in a signal's handler, between any two bytecodes."""

    __slots__ = ("_asked", "_current", "_path", "inside", "is_made", "is_polled", "is_seen", "loop")

    def __init__(self, path: str) -> None:
        self._path = path
        self._asked: int | None = None
        self._current: int | None = None
        self.is_made = False
        """The current job was told."""
        self.is_polled = False
        """Its code asks by itself."""
        self.is_seen = False
        """Its code asked, and knows."""
        self.inside = False
        """User code runs now, so that something may be raised."""
        self.loop: EventLoop | None = None
        """What runs the job, if it is async."""

    def begin(self, token: int) -> None:
        """The job with this token is the current one; it may have been told before it began."""
        self.is_polled = self.is_seen = self.inside = False
        self.loop = None
        self.is_made = self._asked == token
        self._current = token
        if self._asked == token:  # it came between the last two lines
            self.is_made = True

    def end(self) -> None:
        """No job is current."""
        self._current = None

    def check(self) -> None:
        """The job ends now if it was told before its code could be.

        Raises:
            Cancelled: it was.
        """
        if self.is_made:
            self._tell()

    def hear(self, number: int, frame: object) -> None:
        """The job that the file names is told to end, if it is the current one; else it is remembered.

        Raises:
            Cancelled: in the code of the job.
        """
        try:
            with open(self._path, encoding="utf-8") as file:
                asked = load(file)["token"]
        except (OSError, ValueError, LookupError, TypeError):  # no file: a stranger's signal
            return
        self._asked = asked
        if asked == self._current and not self.is_made:
            self.is_made = True
            self._tell()

    def _tell(self) -> None:
        if self.is_polled:
            return
        if self.loop is not None:
            self.loop.cancel()
        elif self.inside:
            raise Cancelled("the job was cancelled or timed out")
