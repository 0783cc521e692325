"""``python -m jobctl.examples``: where the examples are; with the name of one, its text."""

from __future__ import annotations

import sys
from pathlib import Path

_EXAMPLES = {
    path.stem: path for path in sorted(Path(__file__).parent.glob("*.py")) if not path.stem.startswith("_")
}


def main(names: list[str]) -> None:
    """The paths, or the text of each named example, are on standard output."""
    for name in names:
        if name not in _EXAMPLES:
            sys.exit(f"no such example: {name!r}; there are: {', '.join(_EXAMPLES)}")
    for path in [_EXAMPLES[name] for name in names]:
        print(path.read_text(encoding="utf-8"), end="")
    if not names:
        print("\n".join(f"{name:<16} {path}" for name, path in _EXAMPLES.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
