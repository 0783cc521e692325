"""Which variables a job inherits and how they are given: ``K=V``, env files (DESIGN, section 6)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase

from jobctl.errors import BadInputError

SECRET_WORDS = frozenset({"TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "APIKEY", "CREDENTIALS"})

_WORD_BREAK = re.compile(r"[_.-]")
_RESERVED_PREFIXES = ("JOBCTL_", "WATCHDOG_")
_DOUBLE_QUOTED = r'"([^"\\]*(?:\\.[^"\\]*)*)"\s*(?:#.*)?'
_SINGLE_QUOTED = r"'([^']*)'\s*(?:#.*)?"
_ESCAPE = r"\\(.)"
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$", "`": "`", "'": "'"}


def is_secret_name(name: str, extra: Collection[str] = ()) -> bool:
    """Whether the value of ``name`` must never be stored.

    True for a word (separated by ``_``, ``.`` or ``-``) of ``SECRET_WORDS`` in any case, and for names matching a
    pattern of ``extra`` (``MY_*``; case counts, as it does for the environment itself).
    """
    return _has_secret_word(name) or _matches(name, extra)


def is_reserved_name(name: str) -> bool:
    """Whether jobctl sets ``name`` itself, so that no job inherits it."""
    return name == "NOTIFY_SOCKET" or name.startswith(_RESERVED_PREFIXES)


def split_environment(
    env: Mapping[str, str], keep: Collection[str] = (), *, secret: Collection[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """What may be stored of ``env``, and the sorted names left out because they look secret.

    Reserved names vanish without being counted. ``keep`` (patterns) overrules the guess by words;
    ``secret`` (patterns) overrules ``keep``.
    """
    kept: dict[str, str] = {}
    left_out: list[str] = []
    for name, value in env.items():
        if is_reserved_name(name):
            continue
        if _matches(name, secret) or (_has_secret_word(name) and not _matches(name, keep)):
            left_out.append(name)
        else:
            kept[name] = value
    return kept, sorted(left_out)


def matching_names(names: Iterable[str], patterns: Collection[str]) -> list[str]:
    """Those of ``names`` that match one of ``patterns``."""
    return [name for name in names if _matches(name, patterns)]


def parse_env_assignment(text: str, what: str = "--env") -> tuple[str, str]:
    """The name and the value of ``NAME=VALUE``; the value may be empty and may contain ``=``.

    An error never shows the value, which may be a secret.

    Raises:
        BadInputError: ``E_ENV``.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise BadInputError(f"{what} needs NAME=VALUE", name, "example: --env LEVEL=3", "E_ENV")
    if "\0" in text:
        raise BadInputError(f"{what} contains a NUL character", name, "remove it", "E_ENV")
    return name, value


def merge_assignments(assignments: Iterable[str], what: str = "--env") -> dict[str, str]:
    """The variables that repeated ``--env NAME=VALUE`` flags give.

    Raises:
        BadInputError: ``E_ENV``: not an assignment, or a name given twice.
    """
    merged: dict[str, str] = {}
    for text in assignments:
        name, value = parse_env_assignment(text, what)
        if name in merged:
            raise BadInputError("environment name given twice", name, f"give {what} once a name", "E_ENV")
        merged[name] = value
    return merged


def parse_env_file(text: str, source: str) -> dict[str, str]:
    r"""The variables of an env file as docker and systemd read it; of a name given twice the last counts.

    Blank lines and lines starting with ``#`` or ``;`` are skipped, ``export`` is allowed. Unquoted values are
    taken as they are, ``#`` included; ``'…'`` is literal; ``"…"`` knows ``\n \t \r \" \\ \$``.
    An error names ``source:line`` and never shows the line, which may hold a secret.

    Raises:
        BadInputError: ``E_ENV_FILE``.
    """
    variables: dict[str, str] = {}
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        try:
            name, value = _parse_line(line)
        except ValueError as error:
            where = f"{repr(source)[1:-1]}:{number}"
            raise BadInputError(f"{where}: {error}", None, "write NAME=VALUE", "E_ENV_FILE") from None
        variables[name] = value
    return variables


def _parse_line(line: str) -> tuple[str, str]:
    if line.startswith(("export ", "export\t")):
        line = line[len("export ") :].lstrip()
    name, equals, value = line.partition("=")
    if not equals or not name:
        raise ValueError("no assignment")
    if name != name.strip() or any(blank.isspace() for blank in name):
        raise ValueError("blank in the name")
    if "\0" in line:
        raise ValueError("NUL character")
    return name, _unquoted(value.strip())


def _unquoted(value: str) -> str:
    if value.startswith("'"):
        if match := re.fullmatch(_SINGLE_QUOTED, value):
            return match[1]
        raise ValueError("quote ' is not closed, or text follows it")
    if value.startswith('"'):
        if match := re.fullmatch(_DOUBLE_QUOTED, value):
            return re.sub(_ESCAPE, lambda escape: _ESCAPED.get(escape[1], escape[0]), match[1])
        raise ValueError('quote " is not closed, or text follows it')
    return value


def _has_secret_word(name: str) -> bool:
    return not SECRET_WORDS.isdisjoint(_WORD_BREAK.split(name.upper()))


def _matches(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
