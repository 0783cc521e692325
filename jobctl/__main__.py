"""``python -m jobctl`` and the console script."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """The process ends with the exit code of the verb."""
    keep_standard_descriptors_open()
    make_standard_streams_safe()
    try:
        from jobctl.cli.app import main as run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while it was still starting, or already ending
        code = 130
    # Interpreter teardown costs up to 10 ms and can only fail by now.
    os._exit(code)


def keep_standard_descriptors_open() -> None:
    """Descriptors 0, 1 and 2 exist, so that the store never becomes standard output (``>&-``)."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def make_standard_streams_safe() -> None:
    """The standard streams exist, and text that their encoding cannot hold is escaped, not a crash."""
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the life of the process
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:  # Python makes none for a descriptor that is closed at its start
            setattr(sys, name, open(descriptor, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
        else:
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
