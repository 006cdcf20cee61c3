"""The mock: answers at once, the same for the same prompt, and marked as made up in every way."""

import pytest
from msgspec.structs import replace

from domain.answer import Answer
from domain.reply import Reply, judge, judge_bundle
from providers.mock.provider import MockProvider
from providers.protocol import Ask, ContentRefused, PromptBlock

ASK = Ask("job-1-0", "mock", "Judge.", (PromptBlock("A or B?"),), 300)


async def called(ask: Ask) -> Reply:
    return await MockProvider().call(ask, timeout_s=1)


async def test_the_same_prompt_gets_the_same_answer() -> None:
    first, again = judge(await called(ASK)), judge(await called(replace(ASK, custom_id="job-2-7")))
    assert isinstance(first, Answer)
    assert first == again
    assert "Made up" in first.justification


async def test_both_winners_and_all_confidences_occur() -> None:
    answers = [judge(await called(replace(ASK, blocks=(PromptBlock(f"Pair {number}"),)))) for number in range(400)]
    found = [answer for answer in answers if isinstance(answer, Answer)]
    assert len(found) == 400
    assert 150 < sum(answer.winner == "Essay A" for answer in found) < 250
    assert {min(answer.confidence for answer in found), max(answer.confidence for answer in found)} == {1.0, 5.0}


async def test_each_comparison_of_a_bundle_has_an_answer_of_its_own() -> None:
    reply = await called(replace(ASK, answers=64))
    answers = judge_bundle(reply, 64)
    assert all(isinstance(answer, Answer) for answer in answers)
    assert len(set(answers)) > 30
    assert judge_bundle(await called(replace(ASK, answers=64)), 64) == answers


@pytest.mark.parametrize(
    ("asked", "said"), [("mock", "mock"), ("mock-large", "mock-large"), ("gpt-5.1", "mock-gpt-5.1"), ("a/b", "mock-a/b")]
)
async def test_the_models_name_says_that_it_is_none(asked: str, said: str) -> None:
    assert (await called(replace(ASK, model=asked))).model == said


async def test_it_counts_tokens_and_costs_nothing() -> None:
    reply = await called(ASK)
    assert reply.usage.prompt_tokens > 0
    assert reply.usage.completion_tokens > 0
    assert reply.cost_usd is None


async def test_a_text_that_is_no_unicode_gets_an_answer() -> None:
    assert isinstance(judge(await called(replace(ASK, blocks=(PromptBlock("\ud800"),)))), Answer)


async def test_a_batch_is_refused() -> None:
    with pytest.raises(ContentRefused, match="mock takes no batch jobs"):
        await MockProvider().create("job-1", [ASK], start=lambda: True, timeout_s=1)
