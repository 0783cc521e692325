from __future__ import annotations

import pytest

from jobctl.model.nested_shells import reader_in, reader_of

X = "${{ params.x }}"


@pytest.mark.parametrize(
    ("command", "reader"),
    [
        (["sh", "-c", f"echo {X}"], "sh"), (["/bin/bash", "-lc", f"echo '{X}'"], "bash"),
        (["env", "A=1", "sh", "-e", "-c", f"echo {X}"], "sh"), (["ssh", "-p", "22", "host", f"ls {X}"], "ssh"),
        (["python3.11", "-c", f"print('{X}')"], "python3.11"), (["su", "-", "ada", "-c", f"ls {X}"], "su"),
        (["xargs", "-I{}", "sh", "-c", f"cp {{}} {X}"], "sh"), (["perl", "-ne", f"print if /{X}/"], "perl"),
        (["sh", "-c", 'echo "$1"', "sh", X], None), (["echo", X], None), (["ssh", X, "uptime"], None),
        (["ssh", "-i", X, "host", "uptime"], None), (["sh", "run.sh", "-c", X], None), (["sh", X], None),
        ([X, "-c", "x"], None), ([], None),
    ],
)  # fmt: skip
def test_a_program_in_words_that_a_value_is_part_of_is_found(command: list[str], reader: str | None) -> None:
    assert reader_of(command) == reader


@pytest.mark.parametrize(
    ("shell", "reader"),
    [
        (f'sh -c "echo {X}"', "sh"), (f"cd a && bash -c 'echo {X}'", "bash"), (f"sh -c {X}", "sh"),
        (f"eval echo {X}", "eval"), (f"ssh host 'rm {X}'", "ssh"), (f"find . -exec sh -c \"x {X}\" \\;", "sh"),
        (f"x $(sh -c \"echo {X}\")", "sh"), (f"a\nsh -c \"echo {X}\"", "sh"), (f"python3 -c \"f({X})\"", "python3"),
        ('sh -c "echo ${{ params[\'x\'] }}"', "sh"),
        (f"echo {X}", None), (f"sh -c 'echo \"$1\"' sh {X}", None), (f"sh -c true; echo {X}", None),
        (f"echo 'sh -c' {X}", None), (f"eval x; echo {X}", None), (f"ssh {X} uptime", None), ("sh -c 'echo $x'", None),
    ],
)  # fmt: skip
def test_a_program_in_a_shell_line_that_a_value_is_part_of_is_found(shell: str, reader: str | None) -> None:
    assert reader_in(shell) == reader


@pytest.mark.parametrize(
    "line",
    [
        'sh -c "' + '\\"${{' * 20_000 + "'" * 20_000, "sh -c true" + " ${{ params.x }}" * 20_000,
        "su " * 20_000 + X, "eval " * 20_000 + X, "sh -x " * 20_000 + X,
    ],
)  # fmt: skip
def test_a_long_line_is_read_at_once(line: str) -> None:
    assert reader_in(line) in (None, "sh", "su", "eval")
