"""Counters of shadow audits. What they have found is told by gauges at a scrape (agents/status/audit_gauges.py)."""

from agents.metrics.labels import Labels

#: Why an audit that was planned is left out, or some of its shadows are.
LEFT_OUT = ("audit_budget", "budget", "no_price", "batch_queue", "deadline", "no_swapped_form", "crowded", "paused", "stopping")


class AuditMetrics:
    """Each method counts one thing that has happened in this process."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._cost = labels.counter(
            "roundbatch_audit_cost_usd", "What shadows cost. It is in none of the other counters of tokens and cost."
        )
        self._left_out = labels.counter(
            "roundbatch_audits_left_out", "Audits that were planned and not asked, or not to the end.", "reason"
        )

    def expect(self) -> None:
        """Begin at 0."""
        for reason in LEFT_OUT:
            self._left_out.labels(reason)

    def cost(self, usd: float) -> None:
        """The reply to a shadow cost so much."""
        self._cost.inc(usd)

    def left_out(self, reason: str, audits: int) -> None:
        """So many audits are left out; reason: one of LEFT_OUT."""
        self._left_out.labels(self._labels.word(reason)).inc(audits)
