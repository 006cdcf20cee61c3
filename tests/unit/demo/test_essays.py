"""The sample essays, and the requests that the demo makes of them."""

import hashlib
import json
from pathlib import Path

import pytest

from demo import assignment, comparison
from demo.sending import JUDGES, Sending
from domain.comparison import BLOCK_JOINT
from streams.wire.comparison_body import ComparisonBody

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = [judge.folder for judge in JUDGES]
PLACE = comparison.Place("138", "ddc3f259-b125-4a08-97fb-f4907fa50b3d", 0, 12)


def asked(loaded: assignment.Assignment, mode: str | None) -> comparison.Body:
    """The request for the first two essays."""
    return comparison.body(
        loaded,
        loaded.essays[0],
        loaded.essays[1],
        place=PLACE,
        correlation_id="7b0d2b4e-3f53-4d0c-8c39-5d0c6c8e9a21",
        callback_topic="huleedu.llm_provider.comparison_result.v1",
        provider="anthropic",
        model="claude-haiku-5-5",
        mode=mode,
    )


def shingles(text: str) -> set[tuple[str, ...]]:
    """Every six words in a row, without the heading, which all share."""
    words = text.lower().partition("\n")[2].split()
    return {tuple(words[at : at + 6]) for at in range(len(words) - 5)}


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_assignment_has_24_essays_of_their_own_in_a_hidden_order(folder: str) -> None:
    essays = assignment.load(assignment.FOLDER / folder).essays

    assert len(essays) == 24
    qualities = [essay.quality for essay in essays]
    assert len(set(qualities)) == 24
    assert (min(qualities), max(qualities)) == (0.05, 0.97)
    assert qualities != sorted(qualities)
    assert qualities != sorted(qualities, reverse=True)
    assert all(150 <= len(essay.text.split()) <= 628 for essay in essays)
    texts = [shingles(essay.text) for essay in essays]
    assert not any(one & other for at, one in enumerate(texts) for other in texts[:at])


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_request_is_one_that_the_worker_takes(folder: str) -> None:
    loaded = assignment.load(assignment.FOLDER / folder)
    body = asked(loaded, "provider_batch_api")

    checked = ComparisonBody.model_validate(body)
    assert checked.user_prompt == BLOCK_JOINT.join(block.content for block in checked.prompt_blocks or ())
    assert len(checked.prompt_blocks or ()) == 4
    assert body["user_prompt"].count("[quality:") == 2
    for block in body["prompt_blocks"]:
        assert block["content_hash"] == hashlib.sha256(block["content"].encode()).hexdigest()


def test_a_request_has_the_shape_that_cj_posts() -> None:
    posted = json.loads((EXAMPLES / "request_http_body.json").read_text())
    loaded = assignment.load(assignment.FOLDER / "school-start")
    body = asked(loaded, "serial_bundle")

    assert list(body) == list(posted)
    assert list(body["metadata"]) == list(posted["metadata"])
    assert list(body["llm_config_overrides"]) == list(posted["llm_config_overrides"])
    assert [list(block) for block in body["prompt_blocks"]] == [list(block) for block in posted["prompt_blocks"]]
    assert [block["cacheable"] for block in body["prompt_blocks"]] == [block["cacheable"] for block in posted["prompt_blocks"]]


def test_cj_sends_no_hints_over_http_as_is_its_default() -> None:
    loaded = assignment.load(assignment.FOLDER / "school-start", 12)
    bodies = [asked(loaded, sending.mode) for sending in (Sending(), Sending(http=True))]

    assert len(loaded.essays) == 12
    hints = {"comparison_iteration", "cj_llm_batching_mode", "preferred_bundle_size"}
    assert set(bodies[0]["metadata"]) - set(bodies[1]["metadata"]) == hints


def test_the_sample_requests_can_be_sent() -> None:
    from cli import round_records

    lines = (assignment.FOLDER.parent / "requests.jsonl").read_bytes().split(b"\n")

    bodies, rejected = round_records.read_lines(lines)

    assert rejected == []
    assert {body["llm_config_overrides"]["provider_override"] for body in bodies} == {"anthropic", "openai"}
    for body in bodies:
        assert len(ComparisonBody.model_validate(body).prompt_blocks or ()) == 4


def test_an_essay_without_its_quality_is_refused(tmp_path: Path) -> None:
    (tmp_path / "assignment.toml").write_text('title = "t"\ntask = "t"\ncriteria = "c"\njudge_instructions = "j"\n')
    (tmp_path / "01.md").write_text("An essay.")

    with pytest.raises(ValueError, match=r"01\.md has no line \[quality:0\.NN\]"):
        assignment.load(tmp_path)
    (tmp_path / "01.md").write_text("An essay. [quality:0.5]")
    with pytest.raises(ValueError, match="holds 1 essays"):
        assignment.load(tmp_path)
