import json
import logging
import threading

import httpx
import pytest

from usassist.core.captions.llm import LlmRefiner, LlmSettings, estimate, request_body
from usassist.core.captions.refine import refined
from usassist.core.errors import ModelError

SETTINGS = LlmSettings("http://localhost:1/v1", "qwen", api_key_env="KEY", price_in=2.0, price_out=8.0)
ENVIRONMENT = {"KEY": "s3cret"}


def _chat(content: str) -> httpx.Response:
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    return httpx.Response(200, json={"choices": [{"message": {"content": content}}], "usage": usage})


def _refiner(handle, **changes) -> LlmRefiner:
    settings = LlmSettings(**{**{f: getattr(SETTINGS, f) for f in SETTINGS.__slots__}, **changes})
    return LlmRefiner(settings, transport=httpx.MockTransport(handle), environment=ENVIRONMENT)


def _caption_of(request: httpx.Request) -> str:
    return json.loads(request.content)["messages"][-1]["content"]


def test_N8_drafts_come_in_order_and_busy_servers_are_asked_again() -> None:
    busy = {"lesion 3 mm"}

    def handle(request: httpx.Request) -> httpx.Response:
        caption = _caption_of(request)
        if caption in busy:
            busy.discard(caption)
            return httpx.Response(429, headers={"retry-after": "0"})
        return _chat(f"Breast: {caption}")

    captions = [f"lesion {number} mm" for number in range(20)]
    refiner = _refiner(handle)
    assert [draft.text for draft in refiner.drafts(captions)] == [f"Breast: {caption}" for caption in captions]
    assert (refiner.usage.answers, refiner.usage.tokens_in, refiner.usage.tokens_out) == (20, 2000, 200)
    assert not busy


def test_N8_a_model_that_invents_is_caught() -> None:
    refiner = _refiner(lambda _request: _chat("A malignant mass of 21 mm in the right breast"))
    (result,) = refined(["mass of 12 mm, left breast"], refiner)
    assert result.text == "mass of 12 mm, left breast"
    assert {"lost number: 12 mm", "invented side: right", "invented class: malignant"} <= set(result.problems)


def test_never_more_than_n_in_flight() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def handle(request: httpx.Request) -> httpx.Response:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        try:
            return _chat(_caption_of(request))
        finally:
            with lock:
                now[0] -= 1

    assert len(list(_refiner(handle, in_flight=3).drafts(["mass"] * 30))) == 30
    assert 1 <= most[0] <= 3


def test_captions_are_read_only_as_they_are_needed() -> None:
    taken = []

    def captions():
        for number in range(100):
            taken.append(number)
            yield f"mass {number}"

    drafts = _refiner(lambda request: _chat(_caption_of(request)), in_flight=4).drafts(captions())
    next(drafts)
    drafts.close()
    assert len(taken) <= 6


def test_only_the_words_are_sent() -> None:
    seen = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.content.decode())
        return _chat("mass")

    list(_refiner(handle).drafts(["IMG_0012.png, Accession no. 12345: mass"]))
    (body,) = seen
    assert "0012" not in body
    assert "12345" not in body
    assert "s3cret" not in body
    assert json.loads(body) == request_body("mass", SETTINGS)
    assert set(json.loads(body)) == {"model", "messages", "temperature", "max_tokens"}


def test_a_caption_of_file_names_only_is_not_sent() -> None:
    def handle(_request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("never asked")

    (draft,) = _refiner(handle).drafts(["IMG_0012.png"])
    assert "nothing is left" in draft.problem


def test_the_key_is_in_no_log_and_no_message(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    refiner = _refiner(lambda _request: httpx.Response(401))
    with pytest.raises(ModelError) as error:
        list(refiner.drafts(["mass"]))
    assert "s3cret" not in f"{caplog.text}{error.value}{refiner.name}{refiner.usage}"


def test_three_captions_without_an_answer_end_the_work() -> None:
    asked = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.ReadTimeout("slow")

    drafts = _refiner(handle, attempts=1, in_flight=1).drafts(["mass"] * 50)
    assert ["timeout" in next(drafts).problem for _ in range(2)] == [True, True]
    with pytest.raises(ModelError, match="3 captions in a row"):
        next(drafts)
    assert len(asked) == 3


def test_answers_that_are_none_are_no_silence() -> None:
    drafts = list(_refiner(lambda _request: httpx.Response(200, content=b"<html>")).drafts(["mass"] * 5))
    assert len(drafts) == 5
    assert all("no chat completion" in draft.problem for draft in drafts)


def test_what_it_would_cost_is_said_before() -> None:
    found = estimate(["mass " * 8, "IMG_0012.png"], SETTINGS)
    assert found.captions == 2
    assert found.tokens_out == 10
    assert found.cost == pytest.approx((found.tokens_in * 2 + found.tokens_out * 8) / 1e6)
    assert estimate([], SETTINGS).cost == 0


def test_a_missing_key_is_a_sentence() -> None:
    with pytest.raises(ModelError, match="KEY is empty or not set"):
        LlmRefiner(SETTINGS, environment={})
