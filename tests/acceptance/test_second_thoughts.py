"""What a new user tried after reading about unique keys, batches and progress."""

from __future__ import annotations

from pathlib import Path

from tests.support.cli import run_cli


def ended_job(home: Path, *words: str) -> str:
    """The id of a job that is cancelled before it ran."""
    job_id = run_cli("submit", "-q", *words, "--", "true", home=home).out.strip()
    assert run_cli("cancel", job_id, home=home).code == 0
    return job_id


def test_a_retry_whose_unique_key_is_taken_is_refused_and_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    job_id = ended_job(home, "--unique", "Z")
    assert run_cli("submit", "-q", "--unique", "Z", "--hold", "--", "true", home=home).code == 0
    for selector in (job_id, "@cancelled"):
        refused = run_cli("retry", selector, home=home)
        assert (refused.code, "E_DUPLICATE" in refused.err) == (4, True)


def test_a_batch_takes_its_items_from_one_place(tmp_path: Path) -> None:
    refused = run_cli(
        "batch", "--from", "-", "--", "echo", "{}", ":::", "a", home=tmp_path / "home", input="x\n"
    )
    assert refused.code == 2
    assert not (tmp_path / "home").exists()


def test_a_held_batch_is_released_by_the_id_it_printed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    batch = run_cli("batch", "-q", "--hold", "--", "true", ":::", "a", "b", home=home).out.strip()
    assert run_cli("list", f"batch:{batch}", "--status", "queued", "--json", home=home).document == {
        "jobs": []
    }
    assert run_cli("release", batch, home=home).code == 0
    queued = run_cli("list", f"batch:{batch}", "--status", "queued", "--json", home=home).document
    assert len(queued["jobs"]) == 2
