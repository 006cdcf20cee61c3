"""The arithmetic of bench.capacity."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.capacity import ACCOUNTS, Account, Cluster, Costs, Mode, Night, app, needs, report, usd

LIGHT = Night(1_000)


def need(what: str, night: Night, cluster: Cluster, account: Account = ACCOUNTS["anthropic"], mode: Mode = Mode.BATCH) -> float:
    return next(one.used for one in needs(night, cluster, account, Costs(), mode) if one.what == what)


def test_the_tightest_stands_first_and_tells_what_to_do() -> None:
    found = needs(Night(), Cluster(), ACCOUNTS["anthropic"], Costs())
    assert [one.used for one in found] == sorted((one.used for one in found), reverse=True)
    assert found[0].what == "batch queue, lines"
    assert found[0].used == pytest.approx(10_000_000 / (200_000 * 8))
    assert "tier" in found[0].then


def test_what_is_told_to_hold_holds_and_no_more() -> None:
    for workers in (1, 4, 16):
        for account in ACCOUNTS.values():
            told = report(Night(), Cluster(workers, 16), account, Costs())
            at_most = Night(told["holds_until"])
            assert needs(at_most, Cluster(workers, 16), account, Costs())[0].used == pytest.approx(1.0, rel=1e-3)


def test_workers_divide_what_is_theirs_and_a_provider_does_not_care() -> None:
    one, two = Cluster(1, 16), Cluster(2, 16)
    for what in ("processor of a worker", "disk of a worker (RocksDB)", "restart with all of it pending"):
        assert need(what, Night(), one) == pytest.approx(2 * need(what, Night(), two))
    assert need("batch queue, lines", Night(), one) == need("batch queue, lines", Night(), two)


def test_partitions_that_do_not_divide_evenly_load_one_worker_more() -> None:
    uneven = need("processor of a worker", Night(), Cluster(3, 16))
    assert uneven == pytest.approx(6 / 16 / (4 / 16) * need("processor of a worker", Night(), Cluster(4, 16)))
    with pytest.raises(ValueError, match="workers=17, partitions=16"):
        Cluster(17, 16)


def test_bundles_need_fewer_lines_and_calls() -> None:
    eight = Night(bundle=8)
    assert need("batch queue, lines", eight, Cluster()) == pytest.approx(need("batch queue, lines", Night(), Cluster()) / 8)
    calls = [need("requests a minute", night, Cluster(), mode=Mode.CALLS) for night in (Night(), eight)]
    assert calls[0] == pytest.approx(8 * calls[1])


def test_batches_cost_half() -> None:
    batch, calls = (usd(LIGHT, ACCOUNTS["anthropic"], mode) for mode in Mode)
    assert batch is not None
    assert calls == pytest.approx(2 * batch)
    assert usd(LIGHT, Account("anthropic", "claude-of-next-year"), Mode.BATCH) is None


def test_costs_are_those_that_were_measured_here(tmp_path: Path) -> None:
    measured = tmp_path / "bench.json"
    assert Costs.read(measured) == Costs()
    measured.write_text(json.dumps({"restart_s": {}}))
    assert Costs.read(measured) == Costs(), "another benchmark alone has been run"
    measured.write_text(json.dumps({"cpu_us": {"rounds": {"median": 500}}, "resident_mib": {"rounds": {"idle": 100}}}))
    read = Costs.read(measured)
    assert (read.cpu_us, read.idle_bytes) == (500.0, 100 * 1024**2)
    assert str(measured) in read.source


def test_the_command() -> None:
    told = CliRunner().invoke(app, ["--workers", "2", "--partitions", "8"])
    assert told.exit_code == 0
    assert "2 workers, 8 partitions" in told.output
    as_json = CliRunner().invoke(app, ["--json", "--calls", "--provider", "openai"])
    assert json.loads(as_json.output)["breaks_first"] == "input tokens a minute"
    assert CliRunner().invoke(app, ["--workers", "9", "--partitions", "8"]).exit_code == 2
    assert CliRunner().invoke(app, ["--provider", "nobody"]).exit_code == 2
