"""Email, over a real SMTP server on this machine."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from deploy.local.ports import free_port
from tests.tls import Authority
from worker.adapters.mail import Mail, MailFailed

PASSWORD = "s3cr3t@/pass"
ADDRESSES = "from=kontrib@example.org&to=ops@example.org"


class Mailbox:
    def __init__(self) -> None:
        self.letters: list[tuple[list[str], str, str]] = []
        self.answer = "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it by this name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        letter = message_from_bytes(envelope.content or b"", policy=default)
        body = letter.get_body()
        text = str(body.get_content()) if body else ""
        self.letters.append((envelope.rcpt_tos, str(letter["Subject"]), text))
        return self.answer


def authenticate(_: object, __: object, ___: object, mechanism: str, login: object) -> AuthResult:
    given = isinstance(login, LoginPassword) and (login.login, login.password)
    return AuthResult(success=given == (b"kontrib", PASSWORD.encode()), handled=False)


class StartTls(Controller):
    """A server that takes a login after STARTTLS alone."""

    def factory(self) -> SMTP:
        return SMTP(
            self.handler,
            tls_context=self.SMTP_kwargs["tls_context"],
            auth_required=True,
            authenticator=authenticate,
        )


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture
def plain(box: Mailbox) -> Iterator[Controller]:
    controller = Controller(box, hostname="127.0.0.1", port=free_port(set()))
    yield from running(controller)


@pytest.fixture
def secure(box: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    authority = Authority(tmp_path / "tls")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server, authority.server_key)
    yield from running(
        StartTls(box, hostname="127.0.0.1", port=free_port(set()), tls_context=context)
    )


def running(controller: Controller) -> Iterator[Controller]:
    controller.start()
    yield controller
    controller.stop()


def test_a_text_arrives_with_a_subject_on_one_line(plain: Controller, box: Mailbox) -> None:
    text = "2024-W50 stopped: a batch\nran out of tries. Bcc: x@example.org " + "x" * 200
    Mail(f"smtp://127.0.0.1:{plain.port}/?{ADDRESSES}&tls=no").notify(text)
    ((recipients, subject, body),) = box.letters
    assert recipients == ["ops@example.org"]
    assert subject.startswith("kontrib: 2024-W50 stopped: a batch ran out of tries.")
    assert len(subject) == 78
    assert body.replace("\r\n", "\n").startswith("2024-W50 stopped: a batch\nran out")


def test_a_login_goes_over_tls(secure: Controller, box: Mailbox) -> None:
    login = "kontrib:s3cr3t%40%2Fpass"
    Mail(f"smtp://{login}@127.0.0.1:{secure.port}/?{ADDRESSES}").notify("text")
    assert len(box.letters) == 1


def test_a_wrong_password_is_named_and_not_shown(secure: Controller, box: Mailbox) -> None:
    with pytest.raises(MailFailed, match="SMTPAuthenticationError 535") as caught:
        Mail(f"smtp://kontrib:other-secret@127.0.0.1:{secure.port}/?{ADDRESSES}").notify("text")
    assert "other-secret" not in str(caught.value)
    assert box.letters == []


def test_a_server_without_tls_gets_nothing(plain: Controller, box: Mailbox) -> None:
    with pytest.raises(MailFailed, match="SMTPNotSupportedError"):
        Mail(f"smtp://127.0.0.1:{plain.port}/?{ADDRESSES}").notify("text")
    assert box.letters == []


def test_a_certificate_of_nobody_is_refused(
    secure: Controller, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(MailFailed, match="SSLCertVerificationError"):
        Mail(f"smtp://127.0.0.1:{secure.port}/?{ADDRESSES}").notify("text")
    assert box.letters == []


def test_a_refusal_and_a_silent_server_are_expected_failures(
    plain: Controller, box: Mailbox
) -> None:
    box.answer = "554 no"
    url = f"smtp://127.0.0.1:{plain.port}/?{ADDRESSES}&tls=no"
    with pytest.raises(MailFailed, match="554"):
        Mail(url).notify("text")
    nobody = url.replace(str(plain.port), str(free_port({plain.port})))
    with pytest.raises(MailFailed, match="ConnectionRefusedError"):
        Mail(nobody).notify("text")


def test_the_url_is_in_no_repr() -> None:
    assert "s3cr3t" not in repr(Mail(f"smtps://u:s3cr3t@127.0.0.1:465/?{ADDRESSES}"))
