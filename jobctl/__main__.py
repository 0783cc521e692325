"""``python -m jobctl`` and the console script."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """The process ends with the exit code of the verb."""
    keep_standard_descriptors_open()
    from jobctl.cli.app import main as run

    code = run(sys.argv[1:])
    # Interpreter teardown costs up to 10 ms and can only fail by now.
    os._exit(code)


def keep_standard_descriptors_open() -> None:
    """Descriptors 0, 1 and 2 exist, so that the store never becomes standard output (``>&-``)."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    main()
