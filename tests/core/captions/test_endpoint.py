import httpx
import pytest

from usassist.core.captions.endpoint import Endpoint, chat_address, is_open_wire, read_key, shown_address
from usassist.core.errors import ModelError

OK = httpx.Response(200, json={"fine": True})


def _ask(*replies: httpx.Response | Exception, attempts: int = 5):
    """Return the answer to a body, the requests made and the pauses between them."""
    requests, pauses, left = [], [], list(replies)

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        reply = left.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    with httpx.Client(transport=httpx.MockTransport(handle)) as client:
        endpoint = Endpoint("http://localhost:1/v1", client, key="s3cret", timeout=5, attempts=attempts)
        return endpoint.ask({"a": 1}, pause=pauses.append), requests, pauses


def test_a_busy_server_is_asked_again_after_the_time_it_names() -> None:
    answer, requests, pauses = _ask(httpx.Response(429, headers={"retry-after": "7"}), httpx.Response(503), OK)
    assert answer.data == OK.content
    assert pauses == [7.0, 2.0]
    assert {str(request.url) for request in requests} == {"http://localhost:1/v1/chat/completions"}
    assert requests[0].headers["authorization"] == "Bearer s3cret"


@pytest.mark.parametrize("fault", [httpx.ReadTimeout("x"), httpx.ConnectTimeout("x"), httpx.ConnectError("x")])
def test_timeouts_and_broken_connections_are_tried_again_with_growing_pauses(fault: Exception) -> None:
    answer, requests, pauses = _ask(*[fault] * 5)
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert len(requests) == 5
    assert "no answer in 5 attempts" in answer.problem
    assert "s3cret" not in answer.problem


def test_nobody_waits_longer_than_a_minute() -> None:
    assert _ask(httpx.Response(429, headers={"retry-after": "99999"}), OK)[2] == [60.0]
    assert _ask(httpx.Response(429, headers={"retry-after": "Wed, 21 Oct"}), OK)[2] == [1.0]


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_key_ends_everything_without_naming_the_key(status: int) -> None:
    with pytest.raises(ModelError) as error:
        _ask(httpx.Response(status, json={"error": {"message": "bad key s3cret"}}))
    assert "s3cret" not in str(error.value)


def test_a_refused_caption_says_what_the_server_says_without_the_key() -> None:
    answer, _, _ = _ask(httpx.Response(400, json={"error": {"message": "no model\x1b[2J for s3cret"}}))
    assert "status 400: no model" in answer.problem
    assert "s3cret" not in answer.problem
    assert answer.problem.isprintable()
    assert "status 404)" in _ask(httpx.Response(404, content=b"<html>"))[0].problem


def test_a_redirect_is_not_followed_and_a_flood_is_not_read() -> None:
    answer, requests, _ = _ask(httpx.Response(307, headers={"location": "http://elsewhere.test/"}))
    assert "status 307" in answer.problem
    assert len(requests) == 1
    assert "1 MiB" in _ask(httpx.Response(200, content=b"x" * (2**20 + 1)), attempts=1)[0].problem


def test_a_pause_that_is_ended_ends_the_asking() -> None:
    def busy(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(503)

    with httpx.Client(transport=httpx.MockTransport(busy)) as client:
        endpoint = Endpoint("http://localhost:1", client, key="", timeout=5, attempts=5)
        assert "stopped" in endpoint.ask({}, pause=lambda _seconds: True).problem


@pytest.mark.parametrize(
    "address", ["", "localhost:8000", "file:///x", "http://", "http://a:b@host/v1", "http://host/#x", "http://[::1/v1"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ModelError):
        chat_address(address)


def test_addresses() -> None:
    assert chat_address("https://host/v1/") == "https://host/v1/chat/completions"
    assert chat_address("https://host/v1/chat/completions?api-version=1").endswith("/chat/completions?api-version=1")
    assert shown_address("https://host/v1?key=s3cret") == "https://host/v1/chat/completions"
    assert [is_open_wire(a) for a in ("http://10.0.0.5/v1", "http://127.0.0.1/", "http://localhost", "https://x")] == [
        True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["", "  ", "two words", "k\u00e9y", "a\nb"])
def test_a_key_that_is_none_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(ModelError) as error:
        read_key("KEY", {"KEY": value})
    assert not value.strip() or value not in str(error.value)


def test_a_key_is_read_only_where_a_variable_is_named() -> None:
    assert read_key("", {}) == ""
    assert read_key("KEY", {"KEY": " abc\n"}) == "abc"
