"""Environment rules: secrets stay out, assignments and env files are read strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.environments import (
    is_reserved_name,
    is_secret_name,
    merge_assignments,
    parse_env_assignment,
    parse_env_file,
    split_environment,
)


@pytest.mark.parametrize(
    "name",
    ["TOKEN", "GITHUB_TOKEN", "github_token", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "MYSQL_PASSWD",
     "SSH_KEY", "OPENAI_APIKEY", "GOOGLE_APPLICATION_CREDENTIALS", "_KEY_"],
)  # fmt: skip
def test_a_name_with_a_secret_word_is_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["PATH", "KEYBOARD", "TOKENIZERS_PARALLELISM", "XKEY", "SECRETS", "MONKEY", "KEYS"]
)
def test_a_secret_word_inside_another_word_is_not_secret(name: str) -> None:
    assert not is_secret_name(name)


def test_more_secret_names_are_given_as_patterns_whose_case_counts() -> None:
    assert is_secret_name("CORP_PIN", ["CORP_*"])
    assert is_secret_name("DSN", ["DSN"])
    assert not is_secret_name("dsn", ["DSN"])
    assert not is_secret_name("MY_DSN", ["DSN"])


def test_an_environment_is_split_into_what_is_stored_and_what_is_left_out() -> None:
    env = {"PATH": "/bin", "Z_TOKEN": "s", "A_KEY": "s", "CUDA_VISIBLE_DEVICES": "1"}
    kept, left_out = split_environment(env, ())
    assert kept == {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1"}
    assert left_out == ["A_KEY", "Z_TOKEN"]


def test_reserved_names_vanish_even_if_kept_by_name() -> None:
    env = {"JOBCTL_JOB_ID": "1", "JOBCTL_TOKEN": "1", "NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "A": "1"}
    assert split_environment(env, ["JOBCTL_*", "NOTIFY_SOCKET"]) == ({"A": "1"}, [])
    assert is_reserved_name("WATCHDOG_PID")
    assert not is_reserved_name("JOBCTL")


def test_a_kept_name_overrules_the_guess_and_a_secret_name_overrules_both() -> None:
    env = {"SORT_KEY": "a", "API_KEY": "b", "PLAIN": "c"}
    assert split_environment(env, ["SORT_KEY"]) == ({"SORT_KEY": "a", "PLAIN": "c"}, ["API_KEY"])
    assert split_environment(env, ["*"], secret=["PLAIN"]) == ({"SORT_KEY": "a", "API_KEY": "b"}, ["PLAIN"])


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_every_name_is_kept_left_out_or_reserved(env: dict[str, str]) -> None:
    kept, left_out = split_environment(env)
    assert set(kept) | set(left_out) | {name for name in env if is_reserved_name(name)} == set(env)
    assert all(env[name] == value for name, value in kept.items())
    assert not any(is_secret_name(name) for name in kept)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("A=1", ("A", "1")),
        ("A=", ("A", "")),
        ("A=b=c", ("A", "b=c")),
        ("a.b-c=1", ("a.b-c", "1")),
        ("A=\udcff\n", ("A", "\udcff\n")),
    ],
)
def test_an_assignment_splits_at_the_first_equals_sign(text: str, pair: tuple[str, str]) -> None:
    assert parse_env_assignment(text) == pair


@pytest.mark.parametrize("text", ["", "FOO"])
def test_an_assignment_without_equals_sign_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="--env needs NAME=VALUE") as caught:
        parse_env_assignment(text)
    assert caught.value.code == "E_ENV"


@pytest.mark.parametrize("text", ["=hunter2", "PIN=hunter2\0"])
def test_a_refused_assignment_does_not_show_its_value(text: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_env_assignment(text)
    assert "hunter2" not in str(caught.value)


def test_a_name_given_twice_on_the_command_line_is_refused() -> None:
    assert merge_assignments(["A=1", "B=2"]) == {"A": "1", "B": "2"}
    with pytest.raises(BadInputError, match="environment name given twice: 'A'"):
        merge_assignments(["A=1", "A=hunter2"])


ENV_FILE = r"""# a comment
; another

PLAIN=one two # not a comment
export EXPORTED=yes
  INDENTED=x
SINGLE='literal \n $x "q"'  # a comment
DOUBLE="tab\t quote\" dollar\$ back\\slash \d 'q'"
EMPTY=
QUOTED_EMPTY=""
EQUALS=a=b
AGAIN=1
AGAIN=2
"""


def test_an_env_file_is_read_as_docker_and_systemd_read_it() -> None:
    assert parse_env_file(ENV_FILE, "x.env") == {
        "PLAIN": "one two # not a comment",
        "EXPORTED": "yes",
        "INDENTED": "x",
        "SINGLE": r'literal \n $x "q"',
        "DOUBLE": "tab\t quote\" dollar$ back\\slash \\d 'q'",
        "EMPTY": "",
        "QUOTED_EMPTY": "",
        "EQUALS": "a=b",
        "AGAIN": "2",
    }


def test_an_env_file_from_windows_or_without_final_newline_is_read() -> None:
    assert parse_env_file("\ufeffA=1\r\nB=2", "x.env") == {"A": "1", "B": "2"}
    assert parse_env_file("", "x.env") == {}


@pytest.mark.parametrize(
    "line",
    ["NOVALUE", "=hunter2", "A B=hunter2", "A =hunter2", "A='hunter2", 'A="hunter2', 'A="x" hunter2',
     "A='a'b'", 'A="hunter2\\"', "A=hunter2\0", "export"],
)  # fmt: skip
def test_a_bad_line_is_named_by_file_and_line_but_never_shown(line: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_env_file(f"OK=1\n{line}\n", "prod\x1b.env")
    assert caught.value.code == "E_ENV_FILE"
    assert r"prod\x1b.env:2: " in str(caught.value)
    assert "hunter2" not in str(caught.value)


@given(st.text())
def test_any_text_is_an_env_file_or_bad_input(text: str) -> None:
    try:
        variables = parse_env_file(text, "x.env")
    except BadInputError as error:
        assert "x.env:" in str(error)  # noqa: PT017
    else:
        assert all(name and "=" not in name and "\0" not in name + value for name, value in variables.items())
