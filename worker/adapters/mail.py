"""Notifies people by email."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import parse_qs, unquote, urlsplit

from worker.core.errors import Unreachable

TIMEOUT_SECONDS = 10.0
SUBJECT_CHARACTERS_MAX = 78


class MailFailed(Unreachable):
    """The message may not have arrived. The error leaves the URL out, since it is a secret."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The mail server (MAIL_URL) did not accept a message: {why}.")


class Mail:
    """Implements `worker.ports.payout.Notifier`.

    The URL is `smtps://` (TLS at once) or `smtp://` (STARTTLS), with `from` and `to` in its query.
    Only a server without a login may be used without TLS, by `tls=no`: a relay on this machine.
    """

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._parts, self._timeout_seconds = urlsplit(url), timeout_seconds
        self._query = parse_qs(self._parts.query)

    def __repr__(self) -> str:
        return "Mail()"

    def notify(self, text: str) -> None:
        """
        Raises:
            MailFailed: the server refused the message, or did not answer.
        """
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"] = self._query["from"][0], self._query["to"][0]
        line = " ".join(text.split())
        message["Subject"] = f"kontrib: {line}"[:SUBJECT_CHARACTERS_MAX]
        message.set_content(text)
        try:
            with self._connection() as server:
                if self._parts.username:
                    password = unquote(self._parts.password or "")
                    server.login(unquote(self._parts.username), password)
                server.send_message(message)
        except smtplib.SMTPResponseException as error:
            raise MailFailed(f"{type(error).__name__} {error.smtp_code}") from None
        except (OSError, smtplib.SMTPException) as error:
            raise MailFailed(type(error).__name__) from None

    def _connection(self) -> smtplib.SMTP:
        host, port = self._parts.hostname or "", self._parts.port or 0
        context = ssl.create_default_context()
        if self._parts.scheme == "smtps":
            timeout = self._timeout_seconds
            return smtplib.SMTP_SSL(host, port, timeout=timeout, context=context)
        server = smtplib.SMTP(host, port or smtplib.SMTP_PORT, timeout=self._timeout_seconds)
        if self._query.get("tls") != ["no"]:
            server.starttls(context=context)
        return server
