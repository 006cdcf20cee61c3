"""A client of a simulator's control API, for tests, the demo and the benchmark."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any


class ControlError(Exception):
    """The simulator refused a control request; the message is its reason."""


class SimulatorControl:
    """Control of the simulator at `base_url` (`http://127.0.0.1:PORT`). Synchronous; every method is one request."""

    def __init__(self, base_url: str, timeout_s: float = 30.0) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        # A proxy that the environment names must not come between a test and its own machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def openai_url(self) -> str:
        """The base URL for OpenAI clients; Anthropic's is `base_url`."""
        return f"{self.base_url}/v1"

    @property
    def openrouter_url(self) -> str:
        """The base URL for clients of OpenRouter."""
        return f"{self.base_url}/openrouter/api/v1"

    def _request(self, method: str, name: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.base_url}/_sim/{name}", data, headers, method=method)
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                return json.load(response)
        except urllib.error.HTTPError as refused:
            with refused:
                raise ControlError(f"{method} /_sim/{name}: {refused.read().decode()}") from refused

    def health(self) -> dict[str, Any]:
        """`{"status": "ok", "now": …}`."""
        answer: dict[str, Any] = self._request("GET", "health")
        return answer

    def ledger(self) -> dict[str, Any]:
        """Totals: calls, batches, paid items, cost."""
        answer: dict[str, Any] = self._request("GET", "ledger")
        return answer

    def items(self) -> list[dict[str, Any]]:
        """Every paid item, oldest first."""
        answer: list[dict[str, Any]] = self._request("GET", "items")
        return answer

    def calls(self) -> list[dict[str, Any]]:
        """Every call to a provider's API, oldest first."""
        answer: list[dict[str, Any]] = self._request("GET", "calls")
        return answer

    def batches(self) -> list[dict[str, Any]]:
        """Every batch since the start or the last reset, oldest first."""
        answer: list[dict[str, Any]] = self._request("GET", "batches")
        return answer

    def truth(self) -> dict[str, Any]:
        """The judge's traits, the qualities of essays, and what to expect on average of the pairs asked so far."""
        answer: dict[str, Any] = self._request("GET", "truth")
        return answer

    def faults(self, *faults: dict[str, Any], **fault: Any) -> list[dict[str, Any]]:
        """Arm faults, each a dict or one by keywords: `faults(fault="expired", next=3)`. Returns all that are armed."""
        wanted: Sequence[dict[str, Any]] = [*faults, fault] if fault else faults
        answer: list[dict[str, Any]] = self._request("POST", "faults", list(wanted))
        return answer

    def clear_faults(self) -> None:
        self._request("DELETE", "faults")

    def reset(self, keep: Sequence[str] = ()) -> None:
        """Reset everything, except what `keep` names: faults, batches, ledger, hold."""
        self._request("POST", "reset", {"keep": list(keep)})

    def hold(self, **which: str) -> list[str]:
        """Let batches run until they are released: all, those to come too, or only those of `provider=…`, or one `batch_id=…`.

        Returns the ids of the running ones that are held.
        """
        ids: list[str] = self._request("POST", "hold", which)["batches"]
        return ids

    def release(self, **which: str) -> list[str]:
        """Undo `hold`, with the same choices: batches end when their duration since creation has passed."""
        ids: list[str] = self._request("POST", "release", which)["batches"]
        return ids

    def finish(self, **which: str) -> list[str]:
        """End running batches now, held or not: all, or only `batch_id=…` / `provider=…`. Returns ids."""
        ids: list[str] = self._request("POST", "finish", which)["batches"]
        return ids

    def advance(self, seconds: float) -> float:
        """Move the simulator's clock forward; returns its new time, seconds since 1970."""
        now: float = self._request("POST", "clock", {"advance_s": seconds})["now"]
        return now

    def limits(self, **limits: float | None) -> dict[str, Any]:
        """Change `requests`, `tokens`, `output_tokens` a minute, None for no limit, or `minute_s`. Returns all that hold."""
        answer: dict[str, Any] = self._request("POST", "limits", limits)
        return answer

    def skew(self, seconds: float) -> None:
        """Put the times that batches and files made from now on show ahead by so much, or behind if negative."""
        self._request("POST", "clock", {"skew_s": seconds})

    def work(self, batch_id: str, rows: int) -> None:
        """Let so many rows of a running batch, held or not, be answered now; a cancellation then leaves them answered."""
        self._request("POST", "work", {"batch_id": batch_id, "rows": rows})
