from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobctl.actions.requests import JobRequest
from jobctl.actions.submissions import SubmissionBuilder
from jobctl.errors import BadInputError, UnusableError
from jobctl.model.states import JobId, JobStatus
from jobctl.settings import Settings
from jobctl.supervisor.environments import Secrets
from tests.support.stores import make_caller
from tests.support.supervisors import Stage


def write(path: Path | str, text: str, mode: int = 0o600) -> None:
    Path(path).write_text(text)
    os.chmod(path, mode)


def ended(stage: Stage, **changes: object) -> JobId:
    """A job that prints its secret has ended."""
    supervisor = stage.supervise()
    job = stage.shell('printf %s "${MY_SECRET-none}"', secret_env=("MY_SECRET",), **changes)
    stage.turn_until(supervisor, lambda: stage.status(job).is_terminal)
    stage.kill(supervisor)
    return job


def test_a_secret_comes_from_the_file_of_the_home(stage: Stage) -> None:
    write(stage.home.secrets, "MY_SECRET=geheim\n")
    assert stage.output(ended(stage)) == "geheim"


def test_the_environment_of_the_supervisor_comes_first(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    write(stage.home.secrets, "MY_SECRET=geheim\n")
    monkeypatch.setenv("MY_SECRET", "given")
    assert stage.output(ended(stage)) == "given"


def test_without_a_value_the_variable_is_not_set(stage: Stage) -> None:
    assert stage.output(ended(stage)) == "none"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
def test_a_file_others_may_touch_fails_the_attempt_with_a_clear_error(stage: Stage, mode: int) -> None:
    write(stage.home.secrets, "MY_SECRET=geheim\n", mode)
    job = stage.job(ended(stage))
    assert (job.status, job.reason) == (JobStatus.FAILED, "spawn_error")
    assert job.error is not None
    assert "others may read the secrets" in job.error
    assert "chmod 600" in job.error


@pytest.mark.parametrize("text", ["no assignment geheim\n", "A='geheim\n"])
def test_a_malformed_file_fails_the_attempt_and_shows_no_line_of_it(stage: Stage, text: str) -> None:
    write(stage.home.secrets, text)
    job = stage.job(ended(stage))
    assert (job.status, job.reason) == (JobStatus.FAILED, "spawn_error")
    assert job.error is not None
    assert "secrets.env:1" in job.error
    assert "geheim" not in job.error


def test_a_fifo_never_blocks_the_supervisor(stage: Stage) -> None:
    os.mkfifo(stage.home.secrets, 0o600)
    assert "no regular file" in str(stage.job(ended(stage)).error)


def test_a_job_without_secrets_does_not_care_about_the_file(stage: Stage) -> None:
    write(stage.home.secrets, "x", 0o666)
    supervisor = stage.supervise()
    job = stage.submit("true")
    stage.turn_until_status(supervisor, job, JobStatus.COMPLETED)


def test_the_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secrets.env"
    write(path, "A=1\n")
    reads: list[int] = []
    read = Secrets._read

    def counting(secrets: Secrets) -> dict[str, str]:
        reads.append(1)
        return read(secrets)

    monkeypatch.setattr(Secrets, "_read", counting)
    secrets = Secrets(str(path))
    assert [secrets.get(name) for name in ("A", "A", "B")] == ["1", "1", None]
    assert len(reads) == 1
    write(path, "A=22\nB=3\n")
    assert [secrets.get(name) for name in ("A", "B")] == ["22", "3"]
    assert len(reads) == 2
    path.unlink()
    assert secrets.get("A") is None


def test_a_file_made_readable_later_is_refused_though_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    write(path, "A=1\n")
    secrets = Secrets(str(path))
    assert secrets.get("A") == "1"
    path.chmod(0o644)
    for _ in range(2):
        with pytest.raises(UnusableError, match="others may read"):
            secrets.get("A")
    path.chmod(0o600)
    assert secrets.get("A") == "1"


def test_refusing_and_reading_leak_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    secrets = Secrets(str(path))
    before = os.listdir("/proc/self/fd")
    for mode in (0o600, 0o644):
        for _ in range(5):
            write(path, "A=1\n", mode)
            try:
                secrets.get("A")
            except UnusableError:
                assert mode == 0o644
    assert len(os.listdir("/proc/self/fd")) == len(before)


# --- what is stored of an environment ---


def built(tmp_path: Path, settings: Settings, environment: dict[str, str]) -> SubmissionBuilder:
    return SubmissionBuilder(make_caller(tmp_path, environment), settings, list)


def test_pass_env_stores_what_only_looks_secret(tmp_path: Path) -> None:
    builder = built(tmp_path, Settings(pass_env=("SORT_*",)), {"SORT_KEY": "a", "API_KEY": "b"})
    job = builder.build(JobRequest(command=("true",)))
    assert job.environment == {"SORT_KEY": "a"}
    assert job.spec.secret_env == ("API_KEY",)
    assert builder.left_out == {"API_KEY"}


def test_secret_env_stores_nothing_of_what_matches_and_says_nothing(tmp_path: Path) -> None:
    settings = Settings(pass_env=("DB_KEY",), secret_env=("DB_*",))
    builder = built(tmp_path, settings, {"DB_URL": "a", "DB_KEY": "b", "A": "c"})
    job = builder.build(JobRequest(command=("true",)))
    assert job.environment == {"A": "c"}
    assert job.spec.secret_env == ("DB_KEY", "DB_URL")
    assert builder.left_out == set()


def test_a_value_given_for_a_secret_name_of_the_settings_is_refused(tmp_path: Path) -> None:
    request = JobRequest(command=("true",), env={"DB_URL": "geheim"})
    with pytest.raises(BadInputError) as caught:
        built(tmp_path, Settings(secret_env=("DB_*",)), {}).build(request)
    assert "geheim" not in str(caught.value)
    allowed = JobRequest(command=("true",), env={"SORT_KEY": "a"})
    job = built(tmp_path, Settings(pass_env=("SORT_KEY",)), {}).build(allowed)
    assert job.spec.env == {"SORT_KEY": "a"}
