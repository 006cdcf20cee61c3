"""What bundles save in input tokens: the bound that shared essays must keep, and the table in docs/bundles.md."""

from pathlib import Path

from bench.bundle_tokens import rounds, table, tokens

DOCS = Path(__file__).parents[3] / "docs" / "bundles.md"


def test_shared_essays_take_at_most_a_fifth_of_the_single_calls_for_45_pairs_of_10_essays() -> None:
    dense = rounds()[1]
    assert (len(dense.pairs), dense.essays) == (45, 10)
    assert tokens(dense, 45, "shared_essays") <= 0.2 * tokens(dense, 1, "verbatim")


def test_auto_takes_no_more_than_either_layout() -> None:
    for of in rounds()[:2]:
        assert tokens(of, 12, "auto") <= min(tokens(of, 12, "verbatim"), tokens(of, 12, "shared_essays"))


def test_the_table_in_the_docs_is_what_the_command_prints() -> None:
    assert table() in DOCS.read_text()
