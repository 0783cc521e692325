"""``batch``: one command for many items, and what became of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from jobctl.actions import batches as actions
from jobctl.actions.callers import portable
from jobctl.actions.selections import one_job
from jobctl.actions.supervisors import supervisor_runs
from jobctl.cli.complete import complete_batches
from jobctl.cli.invocation import Invocation
from jobctl.cli.job_options import JobOptions
from jobctl.cli.sheets import print_sheet, print_title, print_titled
from jobctl.cli.submit import note_left_out, submission_builder
from jobctl.cli.words import existing_store
from jobctl.errors import BadInputError
from jobctl.model.batches import parse_max_failures
from jobctl.model.names import parse_whole
from jobctl.model.states import JobStatus
from jobctl.store import Store
from jobctl.views.batches import batch_fields, batch_json, batches_plain, failed_item_json, failed_item_line

SEPARATOR = ":::"

Id = Annotated[str, typer.Argument(metavar="ID", help="The batch.", autocompletion=complete_batches)]


def batch(
    call: Invocation,
    options: JobOptions,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- CMD… [::: ITEM…]", help="What to run for each item.", show_default=False),
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="FILE|-", help="One item a line, as it stands there.")
    ] = None,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="Items end with NUL, as find -print0 writes.")
    ] = False,
    max_parallel: Annotated[
        str | None, typer.Option("--max-parallel", metavar="N", help="So many items at once, at most.")
    ] = None,
    max_failures: Annotated[
        str | None,
        typer.Option("--max-failures", metavar="N|P%", help="When more fail, the rest is cancelled."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the bare id.")] = False,
) -> None:
    """Run a command for each of many items: one job an item below one parent, stored all or none.

    In the command {} is the item, {.} without extension, {/} its last part, {//} its directory, {/.} the last part
    without extension, {#} its number, as in GNU parallel; without any of them the item is the last argument. Options
    are about each item; --name, --unique and the hooks about the batch. It completes when every item did; with
    --max-failures also when no more than that failed.

    \b
    Examples:
      jobctl batch -- convert {} {.}.png ::: *.jpg
      jobctl batch --from urls.txt --max-parallel 4 --max-failures 10% -- curl -fO {}
      find . -name '*.gz' -print0 | jobctl batch -0 --from - --shell 'zcat {} | wc -l'
      jobctl batch list                    batches; also: batch show ID, batch retry ID --failed
    """
    command, items = _command_and_items(call, options, words or (), from_, null)
    builder = submission_builder(call)
    request = options.request(command)
    submission = actions.batch_submission(builder, request, items)
    if max_parallel is not None:
        submission = replace(
            submission, max_parallel=parse_whole(max_parallel, "max parallel", 1, actions.MOST_PARALLEL)
        )
    if max_failures is not None:
        submission = replace(submission, max_failures=parse_max_failures(max_failures, len(items)))
    with call.store(create=True) as store:
        stored = actions.submit_batch(store, submission, call.clock)
        _report(call, store, stored.id, quiet)
    if not stored.is_new:
        call.note(f"job {stored.id} has the unique key {options.unique} already; nothing new was submitted")
    if not quiet:
        note_left_out(call, builder)
    if not supervisor_runs(store.home):
        call.note(f"no supervisor for {store.home.path}; start one with: jobctl up")


def _command_and_items(
    call: Invocation, options: JobOptions, words: Sequence[str], path: str | None, null: bool
) -> tuple[tuple[str, ...] | None, list[str]]:
    """The command, and the items of ``--from`` or behind ``:::``."""
    given = [*words, *(call.command or ())]
    if words and words[0] != SEPARATOR:
        hint = f"a command follows --, as in: -- {' '.join(words)}"
        raise BadInputError("a word before the command", words[0], hint, "E_USAGE")
    if words and call.command is not None:
        raise BadInputError("items before the command", words[0], "write ::: and them behind it", "E_USAGE")
    items: list[str] | None = None
    if path is None and SEPARATOR in given:
        split = given.index(SEPARATOR)
        given, items = given[:split], [portable(word) for word in given[split + 1 :]]
    elif path is not None:
        if SEPARATOR in given:
            raise BadInputError("items from --from and behind", SEPARATOR, "give one of them", "E_USAGE")
        items = _read(path, null)
    if items is None:
        raise BadInputError("no items", hint="name them behind :::, or use --from FILE", code="E_ITEMS")
    if options.shell is not None and given:
        raise BadInputError("a command and a shell line", given[0], "give one of them", "E_COMMAND")
    if null and path is None:
        raise BadInputError("--null without --from", hint="name a file with --from", code="E_USAGE")
    return (None if options.shell is not None or not given else tuple(given)), items


def _read(path: str, null: bool) -> list[str]:
    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
    except OSError as error:
        raise BadInputError(f"cannot read the items ({error.strerror})", path, code="E_FILE") from None
    end = b"\0" if null else b"\n"
    return [portable(item) for item in data.removesuffix(end).split(end)] if data else []


def _report(call: Invocation, store: Store, job_id: int, quiet: bool) -> None:
    if call.json:
        job = one_job(store, str(job_id))
        call.print_json(batch_json(actions.one_batch(store, job.id), job, call.clock.now_ms()))
    else:
        call.print(str(job_id) if quiet else f"job {job_id}")


def list_(call: Invocation) -> None:
    """List batches, newest first, with how many items are in each state.

    \b
    Examples:
      jobctl batch list
      jobctl batch ls --json
    """
    store = existing_store(call)
    found = [] if store is None else actions.list_batches(store)
    now = call.clock.now_ms()
    if call.json:
        call.print_json({"batches": [batch_json(one, job, now) for one, job in found]})
    elif not found and call.is_terminal:
        call.note("no batches")
    elif call.is_terminal:
        from jobctl.views.batch_tables import batch_columns
        from jobctl.views.tables import show_table  # only a terminal pays for Rich

        show_table(batch_columns(now), found, color=call.color)
    else:
        call.print(batches_plain(found, now))


def show(call: Invocation, job: Id) -> None:
    """Show one batch: its items by state, and which of them failed with what.

    \b
    Examples:
      jobctl batch show 12
      jobctl batch show last --json | jq .failed_items
    """
    with call.store() as store:
        report = actions.batch_report(store, actions.selected_batch(store, job))
    now = call.clock.now_ms()
    if call.json:
        document = batch_json(report.batch, report.job, now)
        document["failed_items"] = [failed_item_json(report.batch, item) for item in report.failed]
        call.print_json(document)
        return
    _print_report(call, report, now)
    if (more := report.batch.failures - len(report.failed)) > 0:
        call.print(
            f"  … {more} more; see: jobctl list batch:{report.job.id} --status failed --status timeout"
        )


def _print_report(call: Invocation, report: actions.BatchReport, now: int) -> None:
    styles = {}
    if call.color:
        from jobctl.views.job_tables import STYLES

        styles = {status.value: STYLES[status] for status in JobStatus}
        styles["status"] = STYLES[report.job.status]
    print_sheet(call, f"batch {report.job.id}", batch_fields(report.batch, report.job, now), styles)
    if report.failed and call.is_terminal:
        from jobctl.views.batch_tables import failed_columns
        from jobctl.views.tables import show_table  # only a terminal pays for Rich

        print_title(call, "failed items")
        show_table(failed_columns(report.batch), report.failed, color=call.color)
    else:
        print_titled(call, "failed items", [failed_item_line(report.batch, item) for item in report.failed])


def retry(
    call: Invocation,
    job: Id,
    failed: Annotated[
        bool, typer.Option("--failed", help="Not the cancelled ones, unless too many failures did it.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Run the items of a batch again that did not complete: the same ids, their next attempts.

    \b
    Examples:
      jobctl batch retry 12 --failed
      jobctl batch retry 12
    """
    with call.store() as store:
        found = actions.selected_batch(store, job)
        count = actions.retry_items(store, found.id, call.clock, failed_only=failed)
    if call.json:
        call.print_json({"id": found.id, "retried": count})
    elif not quiet:
        call.print(f"{count} item{'s' * (count != 1)} of job {found.id} retried")
