"""What audits cost: the share of the spend that the setting names, for the recorded workload in each form of lines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from agents.jobs.prompts import ask_of, source_of
from agents.planning.prices import price_book
from agents.planning.rehearsal import Rehearsal
from cli.explain.forecast import input_tokens
from compare.workload import WORKLOADS, records
from domain.comparison import Member
from domain.job import Form, Plan, Shadow, Transport
from domain.reply import Usage
from domain.shadows import ANSWER_TOKENS, AuditRule
from providers.prompts.swapping import swapped
from settings.settings import Settings

# Of the 22,500 lines of 32 some 1,400 are audited: from batch to batch their share differs by 2.5 % (one standard deviation).
# It is always the same batch here, by whose name slots are dealt and lines are drawn, so that no run fails by chance.
ROUNDS, BATCH = 2_500, "138"
PROVIDER, MODEL = "anthropic", "claude-haiku-5-5"
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "single rows": ("per_round", {}),
    "bundles of 8": ("serial_bundle", {"bundle_size": 8}),
    "lines of 32": ("per_round", {"batch_bundle_size": 32}),
    "bundles of 8, verbatim": ("serial_bundle", {"bundle_size": 8, "bundle_layout": "verbatim"}),
}


@dataclass(frozen=True)
class Asked(AuditRule):
    """Notes what cutting tells of each line."""

    of: dict[tuple[Member, ...], dict[str, Any]]

    def shadows_of(self, line: Sequence[Member], round_key: str, **told: Any) -> tuple[Shadow, ...]:
        self.of[tuple(line)] = told
        return ()


class Round:
    """A dense round of 288 as it was recorded, planned, and what its prompts cost."""

    def __init__(self, strategy: str, block: dict[str, Any]) -> None:
        settings = Settings(
            default_provider=PROVIDER,
            llm_batching_strategy=strategy,
            honor_request_mode=False,
            audit={"share": 0.02},
            anthropic={"api_key": "key", "model": MODEL, **block},
        )
        (topic,) = settings.allowed_callback_topics
        self._settings, self._prices, self._rehearsal = settings, price_book(settings), Rehearsal(settings)
        rule = self._rehearsal.planner._audits
        assert rule is not None
        self.rule, self.asked = rule, dict[tuple[Member, ...], dict[str, Any]]()
        self._rehearsal.planner._audits = Asked(rule.share, rule.salt, rule.usd, self.asked)
        batch = WORKLOADS["dense"].batch(PROVIDER, MODEL, "any", callback_topic=topic)
        batch.cj_batch_id = BATCH
        for record in records(batch.next_round()):
            self._rehearsal.take(record, 0)
        jobs = self._rehearsal.close(0) or self._rehearsal.close(3_600_000)
        self.plans = [job.plan for job in jobs]

    def line_usd(self, plan: Plan, line: Iterable[Member]) -> float:
        sources = [source_of(self._rehearsal.members[member], plan, self._settings) for member in line]
        return self._usd(plan, input_tokens(ask_of("job-0", plan, sources, self._settings)), len(sources))

    def shadow_usd(self, plan: Plan, member: Member, form: Form) -> float:
        source, profile = source_of(self._rehearsal.members[member], plan, self._settings)
        turned = swapped(source)
        assert turned is not None
        asked = turned if form is Form.SWAPPED else source
        return self._usd(plan, input_tokens(ask_of("job-s0", plan, [(asked, profile)], self._settings)), 1)

    def _usd(self, plan: Plan, into: int, answers: int) -> float:
        usage = Usage(into, ANSWER_TOKENS * answers)
        usd = self._prices.cost_usd(PROVIDER, MODEL, usage, batch=plan.transport is Transport.BATCH)
        assert usd
        return usd


@pytest.mark.parametrize("form", FORMS)
def test_audits_cost_their_share_of_the_spend(form: str) -> None:
    """Drawn as the worker draws, with the worker's estimates, and added up by what the prompts really have."""
    dense = Round(*FORMS[form])
    rounds = ROUNDS if "of" in form else ROUNDS // 8  # of single rows there are more
    spent = audited = 0.0
    for plan in dense.plans:
        for line in plan.lines:
            spent += dense.line_usd(plan, line) * rounds
            costs = {(member, shape): dense.shadow_usd(plan, member, shape) for member in line for shape in Form}
            drawn = (dense.rule.shadows_of(line, f"cj:{number}:0", **dense.asked[line]) for number in range(rounds))
            audited += sum(costs[shadow.member, shadow.form] for shadows in drawn for shadow in shadows)
    assert audited / spent == pytest.approx(0.02, abs=0.002)
