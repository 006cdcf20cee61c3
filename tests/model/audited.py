"""The model's world with every line audited."""

from collections import Counter
from typing import Any

from agents.records import decide
from domain.job import Shadow
from domain.partition.state import PartitionState
from settings.settings import Settings
from streams.wire import work
from tests.model.log import PARTITION
from tests.model.provider import prompt
from tests.model.whole import told_of
from tests.model.world import World


class AuditedWorld(World):
    """Requests have blocks that can be swapped. `share`: of the spend, for audits; 10 audits every line."""

    share = 10.0

    @classmethod
    def settings(cls, **fields: Any) -> Settings:
        """As in every world, and audits."""
        return super().settings(**{"audit": {"share": cls.share}, **fields})

    def _body(self, name: str, batch: str, announced: int | None, note: str = "") -> dict[str, Any]:
        body = super()._body(name, batch, announced, note)
        texts = [f"**Essay {side.upper()} (ID: {name}-{side}):**\nText {side} of {name}." for side in "ab"]
        texts.append(prompt(name))
        blocks = [{"content": text, "cacheable": False, "target": "user_content", "ttl": "5m"} for text in texts]
        return {**body, "user_prompt": "\n\n".join(texts), "prompt_blocks": blocks}

    def check_safety(self) -> None:
        """What holds in every world; and no shadow is paid twice in batches: a line of one has two, one of them swapped."""
        super().check_safety()
        paid = self.provider.shadows_paid()
        self.need(all(count <= 2 for count in paid.values()), f"shadows paid twice: {paid}")

    def shadows_called(self) -> Counter[str]:
        """How often shadows were asked by calls."""
        return Counter({name: count for name, count in self.provider.calls.items() if name.endswith((" again", "/swapped"))})

    def shadows_planned(self) -> set[Shadow]:
        """The shadows of all plans in the log."""
        planned = [record.plan for record in self.work_records() if isinstance(record, work.JobPlanned)]
        return {shadow for plan in planned for shadow in plan.shadows}

    def check_audits(self) -> dict[str, Any]:
        """What the log tells of audits, which is what the owner of the partition has counted."""
        state = PartitionState(PARTITION)
        for record in self.log.read(self.settings().work_topic):
            decoded = work.decode(record.value or b"")
            verdict = decide.decide(state, decoded, record.offset, round(record.timestamp * 1_000))
            decide.learn(state, verdict)
        assert self.owner is not None
        counted, told = told_of(self.owner.view.state.audits), told_of(state.audits)
        self.need(counted == told, f"audits are counted as {counted}, and the log tells {told}")
        return told


class UnauditedWorld(AuditedWorld):
    """The same requests without audits."""

    share = 0.0
