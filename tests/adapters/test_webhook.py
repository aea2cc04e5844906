"""The webhook, against a real HTTP server on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from worker.adapters.webhook import Webhook, WebhookFailed

SECRET_PATH = "/services/T000/B000/s3cr3t"


class Server:
    """Answers with `status`, after `delay` if it is set. It remembers the messages."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, object]]] = []
        self.status = 200
        self.hangs = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.status == 0:
                    outer.hangs.wait(10)
                    return
                kind = self.headers["Content-Type"]
                outer.told.append((self.path, kind, json.loads(body)))
                self.send_response(outer.status)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}{SECRET_PATH}"

    def stop(self) -> None:
        self.hangs.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def test_a_text_arrives_as_slack_wants_it(server: Server) -> None:
    Webhook(server.url).notify("2024-W50 is closed: 10,000 KONTRIB paid")
    assert server.told == [
        (SECRET_PATH, "application/json", {"text": "2024-W50 is closed: 10,000 KONTRIB paid"})
    ]


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500])
def test_any_answer_but_success_is_told_without_the_url(server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(WebhookFailed, match=str(status)) as caught:
        Webhook(server.url).notify("text")
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert len(server.told) == 1  # a redirect is not followed


def test_a_server_that_hangs_is_given_up(server: Server) -> None:
    server.status = 0
    with pytest.raises(WebhookFailed, match="TimeoutError"):
        Webhook(server.url, timeout_seconds=0.3).notify("text")


def test_nobody_listening_is_an_expected_failure(server: Server) -> None:
    server.stop()
    with pytest.raises(WebhookFailed):
        Webhook(server.url, timeout_seconds=1).notify("text")


def test_a_long_text_is_cut(server: Server) -> None:
    Webhook(server.url).notify("x" * 10_000)
    assert len(str(server.told[0][2]["text"])) == 3000


def test_the_url_is_in_no_repr() -> None:
    assert "s3cr3t" not in repr(Webhook(f"https://hooks.example{SECRET_PATH}"))


def test_discord_gets_its_own_shape_and_slack_gets_escapes(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "user <!channel> & @everyone"
    Webhook(server.url).notify(text)
    assert server.told[0][2] == {"text": "user &lt;!channel&gt; &amp; @\u200beveryone"}

    monkeypatch.setattr("worker.adapters.webhook.DISCORD_HOSTS", ("127.0.0.1",))
    Webhook(server.url).notify(text + "x" * 3000)
    shape = server.told[1][2]
    assert shape["allowed_mentions"] == {"parse": []}
    assert str(shape["content"]).startswith(text)
    assert len(str(shape["content"])) == 2000
    Webhook(f"{server.url}/slack").notify(text)
    assert "text" in server.told[2][2]
