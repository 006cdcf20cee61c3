"""The state of a simulator: batches, files, faults, limits and the ledger, behind all APIs."""

import secrets
from collections.abc import Iterable
from dataclasses import replace

from simulator.batches import Batch, Outcome, Row, RowKind
from simulator.clock import Clock
from simulator.completion import Completion, Model
from simulator.errors import STATUS_OF_TYPE, ApiError
from simulator.faults import ROW_KINDS, Fault, FaultPlan, tagged
from simulator.files import StoredFile, Upload
from simulator.google_details import details_of
from simulator.judging import Judge
from simulator.ledger import Ledger, PaidItem
from simulator.limits import LimitBook, Limits
from simulator.models import Models
from simulator.paid import paid_items
from simulator.prompts import Prompt
from simulator.settings import SimulatorSettings

PROVIDERS = ("anthropic", "openai", "google")


def fresh_id(prefix: str) -> str:
    """An id that no other run uses: a ledger file may hold those of earlier ones."""
    return f"{prefix}{secrets.token_hex(12)}"


def fault_error(fault: Fault, endpoint: str = "") -> ApiError:
    """The error that an errored row or a refused call shows."""
    kind = fault.error_type
    status = STATUS_OF_TYPE.get(kind, fault.status) if kind is not None else fault.status
    if fault.fault == "not_found":
        status = 404
    retry_after_s = fault.retry_after_s
    if retry_after_s is None and status == 429:
        retry_after_s = 1.0
    message = fault.message or f"Simulated failure with status {status}."
    details = details_of(fault.variant, status, endpoint, retry_after_s)
    return ApiError(
        status, message, type=kind, param=fault.param, code=fault.code, retry_after_s=retry_after_s, details=details
    )


class Simulation:
    """Everything that the APIs and the control API act on. Used from one event loop; nothing in it awaits."""

    def __init__(self, settings: SimulatorSettings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.ledger = Ledger(settings.ledger)
        self.faults = FaultPlan(settings.seed)
        self.models = Models(settings.unknown_models, settings.refused_parameters)
        self.model = Model(Judge(settings.seed, settings), settings.minute_s)
        self.batches: dict[str, Batch] = {}
        self.files: dict[str, StoredFile] = {}
        self.uploads: dict[str, Upload] = {}
        self.holding: set[str] = set(PROVIDERS if settings.hold else ())
        self.skew_s = settings.clock_skew_s
        self._running: dict[str, Batch] = {}
        self.limits = LimitBook(self._set_limits())

    def workspace(self, api_key: str) -> str:
        return self.settings.workspaces.get(api_key, "default")

    def _set_limits(self) -> Limits:
        settings = self.settings
        return Limits(
            settings.requests_per_minute,
            settings.tokens_per_minute,
            settings.output_tokens_per_minute,
            settings.minute_s,
        )

    def row_fault(self, prompt: Prompt, endpoint: str) -> Fault | None:
        """What goes wrong with one request: what a tag in its text asks for, otherwise an armed fault."""
        asked_for = tagged(prompt.text)
        if asked_for is not None or self.faults.empty:
            return asked_for
        return self.faults.draw(ROW_KINDS, prompt.provider, endpoint, prompt.sha256)

    def answer_call(self, prompt: Prompt, endpoint: str, workspace: str, source_id: str) -> tuple[Completion, list[PaidItem]]:
        """Answer a single call; raises ApiError where it is to fail. The faults expired and missing concern batches only."""
        fault = self.row_fault(prompt, endpoint)
        if fault is not None and fault.fault == "errored":
            raise fault_error(fault, endpoint)
        now = self.clock.now()
        completion = self.model.complete(prompt, fault, workspace, now)
        return completion, paid_items(prompt, completion, "call", source_id, None, now)

    def add_batch(self, batch: Batch, api_key: str, *, runs: bool = True) -> None:
        """Take a new batch in; one that fails validation never runs, so it is never settled."""
        lag = self.faults.draw(("list_lag",), batch.provider, "batches.create", "batches.create", api_key)
        if lag is not None:
            batch.listed_from = batch.created_at + (60.0 if lag.stall_s is None else lag.stall_s)
        batch.skew_s = self.skew_s
        batch.held = batch.provider in self.holding
        batch.cancel_duration_s = self.settings.cancel_duration_s
        self.batches[batch.id] = batch
        if runs:
            self._running[batch.id] = batch

    def batch(self, provider: str, workspace: str, batch_id: str) -> Batch | None:
        """A batch that this workspace may see, settled if it is due."""
        self.settle()
        batch = self.batches.get(batch_id)
        return batch if batch is not None and (batch.provider, batch.workspace) == (provider, workspace) else None

    def batches_of(self, provider: str, workspace: str) -> list[Batch]:
        """The batches that the list shows to a workspace by now, newest first, settled where they are due."""
        self.settle()
        now = self.clock.now()
        theirs = (b for b in self.batches.values() if (b.provider, b.workspace) == (provider, workspace))
        return [batch for batch in theirs if batch.listed_from <= now][::-1]

    def running(self) -> list[Batch]:
        self.settle()
        return list(self._running.values())

    def settle(self) -> None:
        """End every batch whose time has come, and write down what it is paid for."""
        now = self.clock.now()
        for batch in list(self._running.values()):
            ends_at, reason = batch.end()
            if ends_at <= now:
                del self._running[batch.id]
                batch.ended_at, batch.ended_by = ends_at, reason
                self.ledger.write(items=self._settle_rows(batch, ends_at))

    def _settle_rows(self, batch: Batch, ends_at: float) -> list[PaidItem]:
        worked_until = ends_at if batch.cancel_at is None else min(ends_at, batch.cancel_at)
        done = batch.rows_done(worked_until)
        unworked: RowKind = "canceled" if batch.ended_by == "cancelled" else "expired"
        paid: list[PaidItem] = []
        for at, row in enumerate(batch.rows):
            if at >= done:
                batch.outcomes.append(Outcome(row.custom_id, unworked))
                continue
            outcome = self._work(row, batch.workspace, ends_at)
            batch.outcomes.append(outcome)
            if outcome.completion is not None and row.prompt is not None:
                paid += paid_items(row.prompt, outcome.completion, "batch", batch.id, row.custom_id, ends_at)
        batch.rows = []
        if batch.outcome_count("expired"):
            batch.ended_by = "expired"
        if batch.all_or_nothing and (batch.ended_by != "completed" or batch.details["errors"]):
            paid = self._lose(batch, paid)
        return paid

    def _lose(self, batch: Batch, paid: list[PaidItem]) -> list[PaidItem]:
        """Take back every row of a batch that gives none, and return what is charged for those that had been worked."""
        kind: RowKind = "canceled" if batch.ended_by == "cancelled" else "expired"
        batch.outcomes = [Outcome(outcome.custom_id, kind) for outcome in batch.outcomes]
        return [replace(item, outcome="lost") for item in paid] if self.settings.google_charges_lost_rows else []

    def _work(self, row: Row, workspace: str, now: float) -> Outcome:
        if row.prompt is None:
            return Outcome(row.custom_id, "errored", error=row.error)
        match row.fault.fault if row.fault is not None else None:
            case "expired" | "missing" | "status_zero" as kind:
                return Outcome(row.custom_id, kind)
            case "errored" if row.fault is not None:
                return Outcome(row.custom_id, "errored", error=fault_error(row.fault), fault=row.fault)
        completion = self.model.complete(row.prompt, row.fault, workspace, now)
        return Outcome(row.custom_id, "succeeded", completion.model, completion, fault=row.fault)

    def reset(self, keep: Iterable[str] = ()) -> None:
        """Reset everything, except the parts named in `keep`: faults, batches (with files), ledger, hold."""
        kept = set(keep)
        if "faults" not in kept:
            self.faults.clear()
        if "hold" not in kept:
            self.holding = set(PROVIDERS if self.settings.hold else ())
        self.skew_s = self.settings.clock_skew_s
        if "batches" not in kept:
            self.batches.clear()
            self._running.clear()
            self.files.clear()
            self.uploads.clear()
            self.limits.reset(self._set_limits())
            self.model.cache.clear()
            self.model.judge.forget()
        if "ledger" not in kept:
            self.ledger.clear()
