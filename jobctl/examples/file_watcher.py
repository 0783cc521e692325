"""Submits a job for each new file of a directory: each once, also those that came while it was down.

    jobctl daemon add inbox --start --ready 'log:^watching ' -- \
        python3 -m jobctl.examples.file_watcher /srv/inbox --pattern '*.csv' -- ./import.sh {}

A file counts once it has not changed for ``--settle`` seconds. It is new when its name, or the file behind the name,
was not seen before: one that is written to again is not new, one that replaces another is. What was seen is kept in
``$JOBCTL_STATE_DIR``, so that restarts and ``kill -9`` neither lose nor repeat a file.

Needs watchfiles: ``pip install 'jobctl[watch]'``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

JOBCTL = (sys.executable, "-m", "jobctl")
LOOK_MILLISECONDS = 250


class Ledger:
    """Which files were submitted: a line before each submission and one after it.

    ``jobctl submit --jsonl`` stores all jobs of a batch or none. So when the second line is missing, a look for a job
    with the tag of the batch tells which of the two it was.
    """

    def __init__(self, path: Path) -> None:
        self.seen: dict[str, int] = {}
        """The inode by name."""
        pending: dict[str, dict[str, int]] = {}
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
            if not line.endswith(b"\n"):
                break  # the line that a crash cut short
            entry = json.loads(line)
            if "files" in entry:
                pending[entry["batch"]] = entry["files"]
            else:
                self.seen |= pending.pop(entry["batch"])
        for batch, files in pending.items():
            if is_submitted(batch):
                self.seen |= files
        self._file = self._compacted(path)

    def _compacted(self, path: Path) -> int:
        new = path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._file = descriptor
        self._write({"batch": "before", "files": self.seen})
        self._write({"batch": "before"})
        os.replace(new, path)
        return descriptor

    def submit(self, files: Mapping[str, int], lines: Mapping[str, dict[str, object]]) -> None:
        """Each of the files has its job, now and after any crash."""
        batch = f"watch-{uuid.uuid4().hex}"
        self._write({"batch": batch, "files": files})
        document = "".join(json.dumps({**line, "tags": [batch]}) + "\n" for line in lines.values())
        done = subprocess.run(
            [*JOBCTL, "submit", "-q", "--jsonl", "-"],
            input=document.encode(),
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            sys.exit(f"jobctl submit failed with {done.returncode}")  # jobctl starts this daemon again, later
        self._write({"batch": batch})
        self.seen |= files

    def _write(self, entry: object) -> None:
        os.write(self._file, json.dumps(entry).encode() + b"\n")
        os.fsync(self._file)


def is_submitted(batch: str) -> bool:
    """Whether the jobs of a batch were stored."""
    found = subprocess.run([*JOBCTL, "list", "--json", f"tag:{batch}"], stdout=subprocess.PIPE, check=True)
    return bool(json.loads(found.stdout)["jobs"])


class Directory:
    """The files of a directory that match a pattern, and how long each has not changed."""

    def __init__(self, path: Path, pattern: str, settle: float) -> None:
        self._path = path
        self._pattern = pattern
        self._settle = settle
        self._changing: dict[str, tuple[tuple[int, int, int], float]] = {}
        self._skipped: set[Path] = set()

    def settled(self, seen: dict[str, int], now: float) -> dict[str, int]:
        """The inodes, by name, of new files that are complete; names that are gone are no longer seen."""
        if not self._path.is_dir():
            sys.exit(f"the directory is gone: {self._path}")
        present = self._files()
        for name in seen.keys() - present.keys():
            del seen[name]
        before, self._changing = self._changing, {}
        found = {}
        for name, state in sorted(present.items()):
            if seen.get(name) == state[0]:
                continue
            known, since = before.get(name, (None, now))
            if known == state and now - since >= self._settle:
                found[name] = state[0]
            else:
                self._changing[name] = state, since if known == state else now
        return found

    def is_settling(self) -> bool:
        """Whether some new file may still be written to."""
        return bool(self._changing)

    def _files(self) -> dict[str, tuple[int, int, int]]:
        """Inode, size and time of change by absolute name."""
        found = {}
        for path in self._path.glob(self._pattern):
            try:
                if path.is_file():
                    str(path).encode()
                    status = path.stat()
                    found[str(path)] = status.st_ino, status.st_size, status.st_mtime_ns
            except FileNotFoundError:
                continue  # it went while we looked
            except UnicodeEncodeError:
                if path not in self._skipped:
                    print(f"skipped, its name is not UTF-8: {os.fsencode(path)!r}", flush=True)
                self._skipped.add(path)
        return found


def request(options: argparse.Namespace, path: str) -> dict[str, object]:
    """One line for ``jobctl submit --jsonl``: ``{}`` stands for the file, which else comes last."""
    words = options.command if any("{}" in word for word in options.command) else [*options.command, "{}"]
    line: dict[str, object] = {"command": [word.replace("{}", path) for word in words], "name": options.name}
    return line if options.queue is None else {**line, "queue": options.queue}


def watch(options: argparse.Namespace) -> None:
    """Every new file is submitted, until this process ends."""
    try:
        import watchfiles
    except ModuleNotFoundError:
        sys.exit("watchfiles is not installed; pip install 'jobctl[watch]'")
    path = Path(options.directory).resolve()
    if not path.is_dir():
        sys.exit(f"no such directory: {path}")
    ledger = Ledger(Path(options.state) / "files.jsonl")
    directory = Directory(path, options.pattern, options.settle)
    print(f"watching {path}, {len(ledger.seen)} files seen before", flush=True)
    is_first = True
    # The first look comes after the watch has begun: no file falls between the two.
    for changes in watchfiles.watch(
        path, watch_filter=None, rust_timeout=LOOK_MILLISECONDS, yield_on_timeout=True, step=50, debounce=200
    ):
        if not (changes or is_first or directory.is_settling()):
            continue
        is_first = False
        files = directory.settled(ledger.seen, time.monotonic())
        if files:
            ledger.submit(files, {name: request(options, name) for name in files})
            print(f"submitted {len(files)}: {', '.join(map(os.path.basename, files))}", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Submit a job for each new file of a directory.")
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("command", metavar="-- CMD…", nargs="+", help="the job; {} is the file")
    parser.add_argument("--pattern", default="*", help="which files: '*.csv', '**/*.csv'; else all")
    parser.add_argument("--settle", type=float, default=0.5, help="seconds without a change; else 0.5")
    parser.add_argument("--name", default="new-file", help="the name of the jobs; else new-file")
    parser.add_argument("--queue", help="their queue; else default")
    parser.add_argument("--state", metavar="DIR", default=os.environ.get("JOBCTL_STATE_DIR"))
    options = parser.parse_args()
    if options.state is None:
        parser.error("no JOBCTL_STATE_DIR: run this as a daemon, or give --state DIR")
    watch(options)


if __name__ == "__main__":
    main()
