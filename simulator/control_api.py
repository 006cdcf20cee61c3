"""The `/_sim/` endpoints: faults, holding and finishing batches, time, and the ledger."""

import json
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.batches import Batch
from simulator.faults import Fault
from simulator.simulation import PROVIDERS, Simulation

KEPT = ("faults", "batches", "ledger", "hold")


class BadControl(Exception):
    """A control request that cannot be followed; answered with 400 and its message."""


def _batch_shown(batch: Batch) -> dict[str, object]:
    if batch.details.get("errors"):
        status = "failed"
    elif batch.ended_by is not None:
        status = batch.ended_by
    else:
        status = "running" if batch.cancel_at is None else "cancelling"
    return {
        "id": batch.id,
        "provider": batch.provider,
        "workspace": batch.workspace,
        "model": batch.model,
        "status": status,
        "held": batch.held,
        "items": batch.size,
        "custom_ids": [row.custom_id for row in batch.rows] or [outcome.custom_id for outcome in batch.outcomes],
        "metadata": batch.details.get("metadata"),
        "created_at": batch.created_at,
        "ended_at": batch.ended_at,
    }


class Control:
    """Handlers of the control API. A body is JSON or empty; answers are JSON."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def routes(self) -> list[Route]:
        handlers = {
            "GET": {
                "health": self.health,
                "ledger": self.ledger,
                "items": self.items,
                "calls": self.calls,
                "batches": self.batches,
                "faults": self.listed_faults,
                "truth": self.truth,
            },
            "POST": {
                "faults": self.arm,
                "reset": self.reset,
                "hold": self.hold,
                "release": self.release,
                "finish": self.finish,
                "work": self.work,
                "clock": self.move_clock,
                "limits": self.change_limits,
            },
            "DELETE": {"faults": self.clear_faults},
        }
        return [
            Route(f"/_sim/{name}", self._endpoint(handler), methods=[method])
            for method, by_name in handlers.items()
            for name, handler in by_name.items()
        ]

    def _endpoint(self, handler: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            raw = await request.body()
            try:
                return JSONResponse(handler(json.loads(raw) if raw else {}))
            except (BadControl, ValidationError, ValueError) as refused:
                return JSONResponse({"error": str(refused)}, 400)

        return endpoint

    def health(self, body: Any) -> object:
        return {"status": "ok", "now": self._simulation.clock.now()}

    def ledger(self, body: Any) -> object:
        self._simulation.settle()
        return self._simulation.ledger.summary()

    def items(self, body: Any) -> object:
        self._simulation.settle()
        return self._simulation.ledger.rows("items")

    def calls(self, body: Any) -> object:
        return self._simulation.ledger.rows("calls")

    def batches(self, body: Any) -> object:
        self._simulation.settle()
        return [_batch_shown(batch) for batch in self._simulation.batches.values()]

    def listed_faults(self, body: Any) -> object:
        return self._simulation.faults.listed()

    def truth(self, body: Any) -> object:
        return self._simulation.model.judge.truth()

    def arm(self, body: Any) -> object:
        faults = [Fault.model_validate(fault) for fault in (body if isinstance(body, list) else [body])]
        for fault in faults:
            self._simulation.faults.arm(fault)
        return self._simulation.faults.listed()

    def clear_faults(self, body: Any) -> object:
        self._simulation.faults.clear()
        return []

    def reset(self, body: Any) -> object:
        keep = body.get("keep", [])
        unknown = [name for name in keep if name not in KEPT]
        if unknown:
            raise BadControl(f"cannot keep {unknown[0]!r}; allowed: {', '.join(KEPT)}")
        self._simulation.reset(keep)
        return {"kept": keep}

    def _chosen(self, body: Any) -> list[Batch]:
        """The running batches that a body names by `batch_id` or `provider`; all without either."""
        running = self._simulation.running()
        batch_id, provider = body.get("batch_id"), body.get("provider")
        if provider not in (None, *PROVIDERS):
            raise BadControl(f"no provider {provider!r}; allowed: {', '.join(PROVIDERS)}")
        if batch_id is not None and batch_id not in self._simulation.batches:
            raise BadControl(f"no batch {batch_id!r}; GET /_sim/batches lists them")
        return [b for b in running if batch_id in (None, b.id) and provider in (None, b.provider)]

    def _set_held(self, body: Any, held: bool) -> object:
        chosen = self._chosen(body)
        if "batch_id" not in body:
            providers = {body["provider"]} if "provider" in body else set(PROVIDERS)
            holding = self._simulation.holding
            self._simulation.holding = holding | providers if held else holding - providers
        for batch in chosen:
            batch.held = held
        return {"batches": [batch.id for batch in chosen], "holding": sorted(self._simulation.holding)}

    def hold(self, body: Any) -> object:
        return self._set_held(body, True)

    def release(self, body: Any) -> object:
        return self._set_held(body, False)

    def finish(self, body: Any) -> object:
        chosen = self._chosen(body)
        now = self._simulation.clock.now()
        for batch in chosen:
            batch.finish_at = now
        self._simulation.settle()
        return {"batches": [batch.id for batch in chosen]}

    def work(self, body: Any) -> object:
        rows = body.get("rows")
        if not isinstance(rows, int) or isinstance(rows, bool) or rows < 0 or "batch_id" not in body:
            raise BadControl(f"rows is {rows!r}; give a batch_id and how many of its rows are worked off, 0 or more")
        chosen = self._chosen(body)
        for batch in chosen:
            batch.worked = min(rows, batch.size)
        return {"batches": [batch.id for batch in chosen]}

    def change_limits(self, body: Any) -> object:
        unknown = [name for name in body if name not in ("requests", "tokens", "output_tokens", "minute_s")]
        if unknown:
            raise BadControl(f"no limit {unknown[0]!r}; allowed: requests, tokens, output_tokens (null for none), minute_s")
        for name, value in body.items():
            kinds = int | float if name == "minute_s" else int | None
            if not isinstance(value, kinds) or isinstance(value, bool) or (value is not None and value <= 0):
                raise BadControl(
                    f"{name} is {value!r}; give so many a minute, 1 or more, or null for no limit; seconds for minute_s"
                )
        return asdict(self._simulation.limits.change(self._simulation.clock.now(), **body))

    def move_clock(self, body: Any) -> object:
        advance_s, skew_s = body.get("advance_s", 0), body.get("skew_s", self._simulation.skew_s)
        if not isinstance(advance_s, int | float) or advance_s < 0:
            raise BadControl(f"advance_s is {advance_s!r}; give the seconds to move the clock forward, 0 or more")
        if not isinstance(skew_s, int | float):
            raise BadControl(f"skew_s is {skew_s!r}; give the seconds by which the shown clock is ahead, or behind if negative")
        self._simulation.clock.advance(advance_s)
        self._simulation.skew_s = skew_s
        return {"now": self._simulation.clock.now()}
