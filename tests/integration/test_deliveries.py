"""Deliveries to services of this machine: a web hook and a mail server; what goes wrong tells no part of a URL."""

from __future__ import annotations

import email
import http.server
import json
import socketserver
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobctl.actions.notifications import send
from jobctl.errors import UnusableError
from jobctl.model.filters import JobFilter
from jobctl.model.notifications import Target
from tests.support.calls import Calls
from tests.support.supervisors import Site

SECRET = "s3cr3tpart"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""Of apprise: on Python 3.11 it imports imghdr."""


class Receiver(http.server.HTTPServer):
    """Takes every POST as JSON."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Request)


class _Request(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class MailServer(socketserver.TCPServer):
    """Takes one mail after another; no more of RFC 5321 than a client needs."""

    allow_reuse_address = True

    def __init__(self) -> None:
        self.mails: list[str] = []
        super().__init__(("127.0.0.1", 0), _Session)


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, MailServer)
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(b"".join(lines).decode())
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 OK\r\n")
            if verb == b"QUIT":
                return


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_mail_arrives(mail_server: MailServer) -> None:
    there = f"127.0.0.1:{mail_server.server_address[1]}"
    url = f"mailto://{there}?from=jobctl@example.org&to=ann@example.org&mode=insecure"
    send(Target("me", url_env="MAIL_SECRET"), "backup failed", "exit code 3", {"MAIL_SECRET": url})
    mail = email.message_from_string(mail_server.mails[0])
    assert (mail["Subject"], mail["To"]) == ("backup failed", "ann@example.org")
    assert "exit code 3" in mail.as_string()


def test_a_failed_delivery_tells_why_without_the_url() -> None:
    with pytest.raises(UnusableError) as refused:
        send(Target("me", f"json://127.0.0.1:9/{SECRET}"), "a", "b", {})
    assert "not delivered to me" in str(refused.value)
    assert SECRET not in str(refused.value)
    with pytest.raises(UnusableError) as refused:
        send(Target("me", f"nonsense://{SECRET}"), "a", "b", {})
    assert SECRET not in str(refused.value)
    with pytest.raises(UnusableError, match=r"the variable with the URL is not set: 'MAIL_SECRET'"):
        send(Target("me", url_env="MAIL_SECRET"), "a", "b", {})


def test_without_apprise_the_way_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(UnusableError, match=r"pip install 'jobctl\[notify\]'"):
        send(Target("me", "dbus://"), "a", "b", {})


def test_a_failure_reaches_a_web_hook_from_outside(
    site: Site, receiver: Receiver, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(site.home.path, capsys, monkeypatch)
    url = f"json://127.0.0.1:{receiver.server_port}/{SECRET}"
    Path(site.home.path).mkdir(mode=0o700, exist_ok=True)
    secrets = Path(site.home.secrets)
    secrets.write_text(f"HOOK_SECRET={url}\n")
    secrets.chmod(0o600)
    plan = "notifications:\n  targets: {hook: {url_env: HOOK_SECRET}}\n  rules: [{on: failure, to: hook}]\n"
    Path(site.home.path, "jobctl.yaml").write_text(plan)
    assert calls("reload").code == 0
    calls("submit", "--name", "backup", "--shell", "exit 3")
    tried = calls("notify", "test", "hook")
    assert tried.code == 0, tried.err
    assert receiver.bodies.pop()["title"].endswith("a trial from jobctl")
    listed = calls("notify", "list", "--json")
    assert json.loads(listed.out)["targets"][0]["name"] == "hook"
    up = site.up("--until-idle")
    assert up.wait(60) == 1
    assert [body["title"].partition("] ")[2] for body in receiver.bodies] == ["backup failed (job 1)"]
    assert "exit code 3" in receiver.bodies[0]["message"]
    sent = site.store.jobs.list(JobFilter(type="notification"))
    assert [job.status.value for job in sent] == ["completed"]
    assert "told hook of 1 event" in site.output(sent[0].id)
    assert SECRET.encode() not in b"".join(
        path.read_bytes() for path in Path(site.home.path).rglob("*") if path.is_file() and path != secrets
    )
