"""The CJ service's HTTP client: how it posts comparisons, and what it makes of each answer."""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from types import TracebackType
from typing import Self

import httpx2

from demo.comparison import Body

#: Posts under way at once; each keeps its connection for the next one.
AT_ONCE = 3
#: Waits before the second and the third attempt. `Retry-After` is not heeded.
PAUSES_S = (1.0, 2.0)
#: An attempt that has no answer after this long is the last one.
ANSWER_S = 60.0
TRIED_AGAIN = frozenset({408, 429, 500, 502, 503, 504, 505})


class PostFailed(Exception):
    """A comparison was not accepted. CJ does not post it again, and its assignment stands still for hours."""


class Verdict(Enum):
    """What CJ makes of one answer."""

    ACCEPTED = auto()
    AGAIN = auto()
    FAILED = auto()


def verdict(status: int, body: bytes) -> Verdict:
    """Judge an answer as CJ does. Only a JSON object counts: anything else is a failure that is not tried again."""
    try:
        told = json.loads(body)
    except ValueError:
        return Verdict.FAILED
    if not isinstance(told, dict):
        return Verdict.FAILED
    if status == 202:
        return Verdict.ACCEPTED if told.get("queue_id") else Verdict.FAILED
    if status in TRIED_AGAIN or (400 <= status < 500 and told.get("is_retryable") is True):
        return Verdict.AGAIN
    return Verdict.FAILED


class CJClient:
    """Posts comparisons to `<base_url>/comparison`: three at once, three attempts each, over connections that it keeps.

    base_url is what CJ_ASSESSMENT_SERVICE_LLM_PROVIDER_SERVICE_URL holds, as http://llm_provider_service:8080/api/v1.
    """

    def __init__(
        self, base_url: str, *, transport: httpx2.BaseTransport | None = None, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/comparison"
        self._pause = pause
        self._http = httpx2.Client(
            timeout=ANSWER_S,
            limits=httpx2.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE),
            follow_redirects=True,
            trust_env=False,  # a proxy of the environment would look for 127.0.0.1 on its own machine
            transport=transport,
        )
        self._at_once = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="cj-post")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._at_once.shutdown(cancel_futures=True)
        self._http.close()

    def ask(self, cj_batch_id: str, bodies: Sequence[Body]) -> None:
        """Post the comparisons of a wave; returns when each is accepted. Errors: PostFailed, for the first that is not."""
        for posted in [self._at_once.submit(self._post, body) for body in bodies]:
            posted.result()

    def _post(self, body: Body) -> None:
        # An attempt sends the same bytes as the one before it.
        content = json.dumps(body).encode("ascii")
        for pause_s in (*PAUSES_S, None):
            found, said = self._attempt(content)
            if found is Verdict.ACCEPTED:
                return
            if found is Verdict.FAILED or pause_s is None:
                raise PostFailed(f"comparison {body['correlation_id']} was not accepted: POST {self._url} {said}")
            self._pause(pause_s)

    def _attempt(self, content: bytes) -> tuple[Verdict, str]:
        try:
            answer = self._http.post(self._url, content=content, headers={"Content-Type": "application/json"})
        except httpx2.TimeoutException:
            return Verdict.FAILED, f"had no answer within {ANSWER_S:.0f} s"
        except httpx2.TransportError as error:
            return Verdict.AGAIN, f"got no answer: {error!r}"
        return verdict(answer.status_code, answer.content), f"was answered {answer.status_code} {answer.text[:500]}"
