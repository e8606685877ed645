"""Refinement by any chat endpoint that speaks OpenAI's protocol, and only where the user named it and said to send."""

import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from usassist.core.captions.answers import read_answer
from usassist.core.captions.endpoint import Endpoint, chat_address, read_key
from usassist.core.captions.refine import Draft
from usassist.core.captions.wording import without_noise
from usassist.core.errors import ModelError

if TYPE_CHECKING:
    import httpx

INSTRUCTIONS = (
    "You rewrite captions of ultrasound images for a research data set. Answer with one plain English sentence or "
    "phrase and nothing else. Order: organ; finding; size; side and position; then shape, orientation, margin, echo "
    "pattern, posterior features and calcifications in BI-RADS terms (ACR TI-RADS terms for the thyroid); category. "
    "Write abbreviations out. Keep every number with its unit, every side and clock position, every negation, every "
    "category and every word of doubt exactly as they are. Add nothing that the caption does not say. If there is "
    "nothing to improve, repeat the caption."
)
_GIVE_UP_AFTER = 3
_CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class LlmSettings:
    """Where to ask and how.

    `endpoint` is a base address such as `http://localhost:8000/v1`; `api_key_env` names the environment variable that
    holds the key ("" for none). `timeout` is in seconds for each attempt, `in_flight` the most captions asked at once.
    Prices are for a million tokens, in any currency.
    """

    endpoint: str
    model: str
    api_key_env: str = ""
    timeout: float = 60.0
    attempts: int = 5
    in_flight: int = 4
    most_tokens: int = 512
    price_in: float = 0.0
    price_out: float = 0.0

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """Return the price of so many tokens, in the currency of the prices."""
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6


@dataclass(frozen=True, slots=True)
class Estimate:
    """What sending would come to: captions, characters, tokens (four characters each, so roughly), and the price."""

    captions: int
    characters: int
    tokens_in: int
    tokens_out: int
    cost: float


@dataclass(slots=True)
class Usage:
    """What the endpoint says it has used so far."""

    answers: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, tokens_in: int, tokens_out: int) -> None:
        """Count one answer."""
        with self._lock:
            self.answers += 1
            self.tokens_in += tokens_in
            self.tokens_out += tokens_out


def request_body(caption: str, settings: LlmSettings) -> dict[str, Any]:
    """Return all that is sent about a caption: its words. No image and no file name; names inside it are taken out."""
    return {
        "model": settings.model,
        "messages": [
            {"role": "system", "content": INSTRUCTIONS},
            {"role": "user", "content": without_noise(caption)},
        ],
        "temperature": 0,
        "max_tokens": settings.most_tokens,
    }


def estimate(captions: Iterable[str], settings: LlmSettings) -> Estimate:
    """Return what sending these captions would come to; nothing is sent. An answer is taken as long as its caption."""
    lengths = [len(without_noise(caption)) for caption in captions]
    tokens_in = sum(_tokens(length + len(INSTRUCTIONS)) for length in lengths)
    tokens_out = sum(_tokens(length) for length in lengths)
    characters = sum(lengths) + len(lengths) * len(INSTRUCTIONS)
    return Estimate(len(lengths), characters, tokens_in, tokens_out, settings.cost(tokens_in, tokens_out))


def _tokens(characters: int) -> int:
    return math.ceil(characters / _CHARACTERS_A_TOKEN)


class LlmRefiner:
    """Asks the endpoint for each caption, several at once, and yields the drafts in order.

    A caption that gets no answer is a draft with a problem; three such in a row, or a refused key, end the work with a
    ModelError. The key is read once, and is in no message and no file. `transport` replaces the network in tests.
    """

    def __init__(
        self,
        settings: LlmSettings,
        *,
        transport: "httpx.BaseTransport | None" = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        chat_address(settings.endpoint)
        self.name = f"llm {settings.model}"
        self.usage = Usage()
        self._settings = settings
        self._key = read_key(settings.api_key_env, environment)
        self._transport = transport

    def drafts(self, captions: Iterable[str]) -> Iterator[Draft]:
        """Yield a draft for each caption, in order. Raises ModelError where asking on makes no sense."""
        import httpx

        settings, stopped = self._settings, Event()
        # A redirect would send the caption to where the user did not say.
        client = httpx.Client(timeout=settings.timeout, transport=self._transport, follow_redirects=False)
        with client, ThreadPoolExecutor(settings.in_flight) as pool:
            endpoint = Endpoint(
                settings.endpoint, client, key=self._key, timeout=settings.timeout, attempts=settings.attempts
            )
            waiting: deque[Future[tuple[Draft, bool]]] = deque()
            silent = _Silence(endpoint.shown)
            try:
                for caption in captions:
                    if len(waiting) == settings.in_flight:
                        yield silent.counted(*waiting.popleft().result())
                    waiting.append(pool.submit(self._draft, endpoint, caption, stopped))
                while waiting:
                    yield silent.counted(*waiting.popleft().result())
            finally:
                # Whoever stops listening, also with Ctrl+C, must not wait for the waits of others.
                stopped.set()
                for future in waiting:
                    future.cancel()

    def _draft(self, endpoint: Endpoint, caption: str, stopped: Event) -> tuple[Draft, bool]:
        """Return the draft of one caption, and whether the endpoint answered at all."""
        body = request_body(caption, self._settings)
        if not body["messages"][-1]["content"]:
            return Draft("", "nothing is left of the caption without its file names"), True
        answer = endpoint.ask(body, pause=stopped.wait)
        if answer.problem:
            return Draft("", answer.problem), False
        return read_answer(answer.data, caption=caption, count=self.usage.add), True


class _Silence:
    """How many captions in a row got no answer."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._count = 0

    def counted(self, draft: Draft, answered: bool) -> Draft:
        """Return the draft; raises ModelError when it is one too many without an answer."""
        self._count = 0 if answered else self._count + 1
        if self._count >= _GIVE_UP_AFTER:
            raise ModelError(f"{self._shown} left {self._count} captions in a row unanswered: {draft.problem}.")
        return draft
