"""Started by its path: ``python …/worker/__main__.py DIRECTORY PIPE JOURNAL LOCK WAKE``, or ``… --inspect``.

A daemon that is a function: ``… --daemon FUNCTION CALL``.

By its path, because the interpreter need not have jobctl: the package is loaded from where this file lies, and
nothing else of that place becomes importable. Children of ``multiprocessing`` load this file as ``__mp_main__``.
"""

import sys

OLDEST = (3, 11)


def _load_package() -> None:
    """``jobctl`` is imported from around this file, whatever the search path holds."""
    here = __file__.rpartition("/")[0]
    if sys.path and sys.path[0] == here:  # not there with -P, -I or PYTHONSAFEPATH
        del sys.path[0]
    if "jobctl" not in sys.modules:
        place = here.rsplit("/", 3)[0]
        sys.path.insert(0, place)
        try:
            import jobctl.executors.worker  # noqa: F401
        finally:
            sys.path.remove(place)


def _refuse(journal: int) -> None:
    """The journal says that this interpreter is too old."""
    import json
    import os
    import time

    text = "Python {}.{} is too old for workers; worker_python needs {}.{} or newer".format(
        *sys.version_info[:2], *OLDEST
    )
    error = {"type": "RuntimeError", "message": text, "traceback": "", "text": text}
    record = {"t": "bye", "at": int(time.time() * 1000), "why": "import-error", "error": error, "tokens": []}
    os.write(journal, json.dumps(record).encode() + b"\n")
    sys.exit(1)


def main() -> None:
    """The worker has ended, or the inspection is printed."""
    arguments = sys.argv[1:]
    sys.argv[1:] = []
    if arguments == ["--inspect"]:
        from jobctl.executors.worker.inspector import inspect_standard_input

        inspect_standard_input()
        return
    if arguments[:1] == ["--daemon"]:
        from jobctl.executors.worker.daemon import serve

        serve(*arguments[1:])
        return
    directory, *numbers = arguments
    pipe, journal, lock, wake = map(int, numbers)
    if sys.version_info < OLDEST:
        _refuse(journal)
    from jobctl.executors.worker.descriptors import Descriptors
    from jobctl.executors.worker.worker import work

    work(directory, Descriptors(pipe, journal, lock, wake))


if sys.version_info >= OLDEST:
    _load_package()
if __name__ == "__main__":
    main()
