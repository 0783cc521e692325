from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobctl.actions.requests import JobRequest
from jobctl.actions.submissions import SubmissionBuilder, parse_backoff
from jobctl.errors import BadInputError, NotFoundError
from jobctl.model.specs import OnCrash, Submission
from jobctl.settings import Settings
from tests.support.stores import NOON, make_caller


def build(root: Path, environment: dict[str, str] | None = None, **fields: object) -> Submission:
    fields.setdefault("command", ("true",))
    builder = SubmissionBuilder(make_caller(root, environment), Settings(), lambda: ["default", "gpu"])
    return builder.build(JobRequest(**fields))  # type: ignore[arg-type]


def test_defaults_come_from_the_settings(tmp_path: Path) -> None:
    job = build(tmp_path)
    assert (job.name, job.queue, job.priority, job.hold, job.eligible_at) == (
        "true",
        "default",
        5,
        False,
        None,
    )
    spec = job.spec
    assert (spec.cwd, spec.umask, spec.timeout_seconds, spec.grace_seconds) == (
        str(tmp_path),
        0o022,
        None,
        10.0,
    )
    assert (spec.retry.attempts, spec.retry.delay_seconds, spec.retry.backoff) == (1, 5.0, 2.0)
    assert spec.on_crash is OnCrash.RETRY


def test_settings_change_the_defaults(tmp_path: Path) -> None:
    settings = Settings(default_timeout=60.0, default_priority=2, default_attempts=4)
    job = SubmissionBuilder(make_caller(tmp_path), settings, list).build(JobRequest(command=("a",)))
    assert (job.spec.timeout_seconds, job.priority, job.spec.retry.attempts) == (60.0, 2, 4)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("/usr/bin/env", "x"), "env"),
        (("./run.sh",), "run.sh"),
        (("./7",), "job"),
        (("/",), "job"),
        (("./.hidden",), "job"),
        (("x\udcff",), "job"),
    ],
)
def test_the_name_is_that_of_the_program_if_it_can_be_one(
    tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    assert build(tmp_path, command=command).name == name


def test_a_shell_line_is_named_after_its_first_word(tmp_path: Path) -> None:
    job = build(tmp_path, command=None, shell="  /bin/zcat x | wc")
    assert (job.name, job.spec.argv()) == ("zcat", ("/bin/sh", "-c", "  /bin/zcat x | wc"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"command": ()}, "the command is empty"),
        ({"command": ("", "x")}, "the command is empty"),
        ({"command": None}, "a command is missing"),
        ({"command": None, "shell": " "}, "the shell line is empty"),
        ({"shell": "true"}, "a command and a shell line"),
        ({"command": ("a", "b\0c")}, "NUL character"),
        ({"command": None, "shell": "a\0"}, "NUL character"),
        ({"priority": "0"}, "priority must be 1..10"),
        ({"priority": "11"}, "priority must be 1..10"),
        ({"priority": "3.0"}, "priority must be a whole number"),
        ({"priority": " 7 "}, "priority must be a whole number"),
        ({"priority": "1_0"}, "priority must be a whole number"),
        ({"attempts": "0"}, "attempts must be 1..1000"),
        ({"attempts": "1001"}, "attempts must be 1..1000"),
        ({"timeout": "0"}, "timeout must be positive"),
        ({"timeout": "-5s"}, "timeout must be positive"),
        ({"timeout": "1e400"}, "bad timeout"),
        ({"timeout": "9999999d"}, "timeout is too long"),
        ({"grace": "soon"}, "bad grace"),
        ({"at": "2020-01-01T00:00:00Z"}, "time is in the past"),
        ({"at": "never"}, "bad time"),
        ({"at": "13:00", "in_": "5m"}, "exclude each other"),
        ({"retry_delay": "2h", "max_delay": "1m"}, "retry delay exceeds max delay"),
        ({"retry_delay": "2h"}, "retry delay exceeds max delay"),
        ({"backoff": "0.5"}, "bad backoff"),
        ({"retry_on": "1,,2"}, "exit code must be a whole number"),
        ({"retry_on": "256"}, "exit code must be 0..255"),
        ({"on_crash": "ignore"}, "bad on-crash"),
        ({"name": "a,b"}, "name contains a comma"),
        ({"tags": ("",)}, "tag is empty"),
        ({"type": "\x1b[0m"}, "control character"),
        ({"cwd": "missing"}, "cannot use the working directory"),
        ({"cwd": "/etc/passwd"}, "not a directory"),
        ({"cwd": ""}, "no path"),
        ({"env_file": "missing.env"}, "cannot read the env file"),
        ({"stdin": "missing"}, "cannot read the stdin file"),
        ({"stdin": "."}, "is a directory"),
        ({"stdin": "-"}, "only run reads standard input"),
        ({"env": {"API_TOKEN": "s3cret"}}, "secret values are not stored"),
        ({"env": {"JOBCTL_JOB_ID": "7"}}, "this variable is jobctl's own"),
        ({"secret_env": ("TOKEN=s3cret",)}, "takes a name alone"),
    ],
)
def test_what_is_wrong_is_refused_with_the_reason(
    tmp_path: Path, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(BadInputError) as caught:
        build(tmp_path, None, **fields)
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_an_unknown_queue_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no such queue: 'gpus'; did you mean gpu\?"):
        build(tmp_path, queue="gpus")


@pytest.mark.parametrize("text", ["1e1", "2,5", "-2", "", "101", "0.99", "٣", "inf", "nan"])
def test_a_backoff_is_a_plain_decimal_from_1_to_100(text: str) -> None:
    with pytest.raises(BadInputError, match="bad backoff"):
        parse_backoff(text)


def test_a_delay_counts_from_the_submission(tmp_path: Path) -> None:
    assert build(tmp_path, in_="1h30m").eligible_at == NOON + 5_400_000
    assert build(tmp_path, at="2026-11-22T13:00:00Z").eligible_at == NOON + 3_600_000


def test_a_smaller_max_delay_alone_also_caps_the_first_delay(tmp_path: Path) -> None:
    retry = build(tmp_path, max_delay="2s", retry_on="75,1,75").spec.retry
    assert (retry.delay_seconds, retry.max_delay_seconds, retry.retry_on) == (2.0, 2.0, (1, 75))


def test_a_relative_directory_is_the_callers_and_moves_pwd(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    spec = build(tmp_path, cwd="sub/.").spec
    assert (spec.cwd, dict(spec.env)) == (str(tmp_path / "sub"), {"PWD": str(tmp_path / "sub")})


def test_two_dots_after_a_link_lead_where_the_system_leads(tmp_path: Path) -> None:
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/deep")
    assert build(tmp_path, cwd="link/..").spec.cwd == os.path.realpath(tmp_path / "far")


def test_the_environment_is_kept_without_what_looks_secret(tmp_path: Path) -> None:
    environment = {"PATH": "/bin", "GITHUB_TOKEN": "t", "JOBCTL_HOME": "/h", "MINE": "m"}
    builder = SubmissionBuilder(make_caller(tmp_path, environment), Settings(), list)
    job = builder.build(JobRequest(command=("a",), secret_env=("MINE",)))
    assert dict(job.environment) == {"PATH": "/bin"}
    assert job.spec.secret_env == ("GITHUB_TOKEN", "MINE")
    assert builder.left_out == {"GITHUB_TOKEN"}


def test_jobs_of_one_caller_share_one_environment(tmp_path: Path) -> None:
    builder = SubmissionBuilder(make_caller(tmp_path, {"A": "1"}), Settings(), list)
    first, second = (builder.build(JobRequest(command=("a",))) for _ in range(2))
    assert first.environment is second.environment


def test_a_clean_environment_holds_what_was_given_alone(tmp_path: Path) -> None:
    (tmp_path / "vars").write_text("B=file\nC='c d'\n")
    job = build(tmp_path, {"A": "1", "A_KEY": "k"}, clean_env=True, env={"B": "flag"}, env_file="vars")
    assert dict(job.environment) == {}
    assert (dict(job.spec.env), job.spec.secret_env) == ({"B": "flag", "C": "c d"}, ())


def test_stdin_is_kept_as_an_absolute_path(tmp_path: Path) -> None:
    (tmp_path / "in.txt").touch()
    assert build(tmp_path, stdin="in.txt").spec.stdin == str(tmp_path / "in.txt")


def test_inside_a_job_of_this_home_a_child_is_made(tmp_path: Path) -> None:
    inside = {"JOBCTL_JOB_ID": "7", "JOBCTL_HOME": str(tmp_path / "home")}
    child, loose = build(tmp_path, inside), build(tmp_path, inside, detach=True)
    assert (child.parent_id, child.submitted_by) == (7, "job:7")
    assert (loose.parent_id, loose.submitted_by) == (None, "job:7")


def test_a_job_of_another_home_is_no_parent(tmp_path: Path) -> None:
    job = build(tmp_path, {"JOBCTL_JOB_ID": "7", "JOBCTL_HOME": str(tmp_path / "other")})
    assert (job.parent_id, job.submitted_by) == (None, None)


def test_an_env_file_may_be_a_fifo_only_where_somebody_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    unattended = SubmissionBuilder(make_caller(tmp_path), Settings(), list, waits=False)
    for name in ("fifo", "/dev/null"):
        with pytest.raises(BadInputError, match="no regular file"):
            unattended.build(JobRequest(command=("true",), env_file=name))
    reader, writer = os.pipe()  # as the shell's <(…) is one
    try:
        os.write(writer, b"A=1\n")
        os.close(writer)
        assert build(tmp_path, {}, env_file=f"/dev/fd/{reader}").spec.env["A"] == "1"
    finally:
        os.close(reader)
