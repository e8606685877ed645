"""One HTTP address: asked again when it is busy, and never told more than the one body."""

import ipaddress
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from usassist.core.errors import ModelError

if TYPE_CHECKING:
    import httpx

_MOST_ANSWER_BYTES = 2**20
_LONGEST_WAIT = 60.0
_RETRIED = frozenset({408, 429, 500, 502, 503, 504, 529})
_REFUSED = frozenset({401, 402, 403})
_SHOWN_ERROR = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the bytes of a good answer, or the reason why there is none."""

    data: bytes = b""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Reply:
    """One attempt: the status (0 where none came, then `fault`), the bytes, and how long the server wants to rest."""

    status: int = 0
    data: bytes = b""
    wait: float | None = None
    fault: str = ""


def chat_address(endpoint: str) -> str:
    """Return the address that is asked. Raises ModelError for one that is none, or that holds a password."""
    try:
        parts = urlsplit(endpoint.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ModelError(f"The endpoint is no address ({error}); give one such as http://localhost:8000/v1.") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise ModelError("The endpoint is not an http or https address; give one such as http://localhost:8000/v1.")
    if parts.username or parts.password or parts.fragment:
        raise ModelError("The endpoint holds a user, a password or a #; name the key's variable with --api-key-env.")
    path = parts.path.rstrip("/")
    return parts._replace(path=path if path.endswith("/chat/completions") else f"{path}/chat/completions").geturl()


def shown_address(endpoint: str) -> str:
    """Return an endpoint as it may be shown: without its query, where some services have a key."""
    return urlsplit(chat_address(endpoint))._replace(query="").geturl()


def is_open_wire(endpoint: str) -> bool:
    """Return whether what is sent leaves this machine unencrypted: plain http to another host."""
    parts = urlsplit(endpoint.strip())
    host = parts.hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    return parts.scheme == "http" and not loopback


def read_key(variable: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return the key in an environment variable, "" where no variable is named. Raises ModelError, without the key."""
    if not variable:
        return ""
    key = environment.get(variable, "").strip()
    if not key:
        raise ModelError(f"The environment variable {variable} is empty or not set; put the endpoint's key there.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ModelError(f"What the environment variable {variable} holds is no key: it has blanks or odd characters.")
    return key


class Endpoint:
    """An address and how to ask it; may be used by several threads.

    `timeout` is in seconds for each of at most `attempts`. An attempt that meets 429, a server's error, a timeout or a
    broken connection is repeated after 1, 2, 4 ... seconds, or after what `Retry-After` says, a minute at most.
    """

    def __init__(self, address: str, client: "httpx.Client", *, key: str, timeout: float, attempts: int) -> None:
        self._address = chat_address(address)
        self.shown = shown_address(address)
        self._client = client
        self._key = key
        self._timeout = timeout
        self._attempts = attempts

    def ask(self, body: Mapping[str, Any], *, pause: Callable[[float], object] = time.sleep) -> Answer:
        """Post a JSON body and return the answer. Raises ModelError where the endpoint refuses this user.

        `pause` waits for so many seconds before another attempt; where it returns true, there is none.
        """
        reply = self._post(body)
        for attempt in range(self._attempts - 1):
            if reply.status and reply.status not in _RETRIED:
                break
            if pause(reply.wait if reply.wait is not None else min(_LONGEST_WAIT, 2.0**attempt)):
                return Answer(problem="stopped before it was answered")
            reply = self._post(body)
        if reply.status == 200:
            return Answer(reply.data)
        if reply.status in _REFUSED:
            raise ModelError(
                f"{self.shown} refuses the request (status {reply.status}); check the key and the endpoint."
            )
        if reply.status and reply.status not in _RETRIED:
            said = self._said(reply.data)
            return Answer(problem=f"the endpoint refused the caption (status {reply.status}{said})")
        reason = reply.fault or f"status {reply.status}"
        return Answer(problem=f"no answer in {self._attempts} attempts, the last one: {reason}")

    def _post(self, body: Mapping[str, Any]) -> _Reply:
        import httpx

        end = time.monotonic() + self._timeout
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            with self._client.stream("POST", self._address, json=body, headers=headers) as response:
                data = bytearray()
                for chunk in response.iter_bytes():
                    data += chunk
                    if len(data) > _MOST_ANSWER_BYTES:
                        return _Reply(fault="an answer of more than 1 MiB")
                    if time.monotonic() > end:
                        return _Reply(fault="timeout")
                wait = _retry_after(response.headers.get("retry-after", ""))
                return _Reply(response.status_code, bytes(data), wait)
        except httpx.TimeoutException:
            return _Reply(fault="timeout")
        except httpx.HTTPError as error:
            return _Reply(fault=type(error).__name__)

    def _said(self, data: bytes) -> str:
        """Return what a server's error says, on one line and without the key, should it be repeated there."""
        try:
            message = json.loads(data)["error"]["message"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""
        text = " ".join(str(message).split())
        text = text.replace(self._key, "...") if self._key else text
        shown = "".join(character for character in text if character.isprintable())
        return f": {shown[:_SHOWN_ERROR]}"


def _retry_after(text: str) -> float | None:
    return min(_LONGEST_WAIT, float(text)) if re.fullmatch(r"\d{1,6}", text.strip(), re.ASCII) else None
