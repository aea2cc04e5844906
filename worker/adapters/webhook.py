"""Notifies people through an incoming webhook of Slack, Mattermost or Discord.

Sources: https://docs.slack.dev/messaging/formatting-message-text (escapes),
https://docs.discord.com/developers/resources/webhook (content, allowed_mentions),
https://developers.mattermost.com/integrate/webhooks/incoming (takes Slack's JSON).
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from html import escape
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from worker.core.errors import Unreachable

TIMEOUT_SECONDS = 5.0
TEXT_CHARACTERS_MAX = 3000
DISCORD_CHARACTERS_MAX = 2000
DISCORD_HOSTS = ("discord.com", "discordapp.com")


class WebhookFailed(Unreachable):
    """The message may not have arrived. The error leaves the URL out, since it is a secret."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The webhook (WEBHOOK_URL) did not accept a message: {why}.")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects, which could send the message to an address that nobody configured."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Webhook:
    """Implements `worker.ports.payout.Notifier`."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._url, self._timeout_seconds = url, timeout_seconds
        self._opener = urllib.request.build_opener(_NoRedirects)

    def __repr__(self) -> str:
        return "Webhook()"

    def notify(self, text: str) -> None:
        """
        Raises:
            WebhookFailed: the answer is late or reports an error.
        """
        body = json.dumps(self._shape(text)).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url, body, headers)  # noqa: S310 - settings check it
        try:
            self._opener.open(request, timeout=self._timeout_seconds).close()
        except urllib.error.HTTPError as error:
            error.close()
            raise WebhookFailed(f"it answered {error.code}") from None
        except (OSError, HTTPException) as error:
            raise WebhookFailed(type(error).__name__) from None

    def _shape(self, text: str) -> dict[str, object]:
        """The message. No text from the database can mention a person or a channel."""
        parts = urlsplit(self._url)
        host, path = parts.hostname or "", parts.path.rstrip("/")
        if host.endswith(DISCORD_HOSTS) and not path.endswith("/slack"):
            return {"content": text[:DISCORD_CHARACTERS_MAX], "allowed_mentions": {"parse": []}}
        return {"text": escape(text[:TEXT_CHARACTERS_MAX], quote=False).replace("@", "@\u200b")}
