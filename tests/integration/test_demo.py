"""The demo as a newcomer starts it, by another strategy than its own."""

import json
import os
import subprocess
import sys
from pathlib import Path


def test_three_rounds_by_serial_bundles(tmp_path: Path) -> None:
    """On its own broker, in two calls a round: bundles of 8 and of 4."""
    command = [str(Path(sys.executable).with_name("roundbatch")), "demo", "--strategy", "serial_bundle", "--rounds", "3"]
    environment = {name: value for name, value in os.environ.items() if name != "KAFKA_BOOTSTRAP_SERVERS"}
    done = subprocess.run([*command, "--json", "--out", str(tmp_path)], env=environment, capture_output=True, timeout=120)

    assert done.returncode == 0, done.stderr.decode()[-2000:]
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "demo.json").read_text())
    assert (told["strategy"], told["layout"]) == ("serial_bundle", "auto")
    assert (told["requested"], told["answered"], told["missing"], told["duplicates"], told["errors"]) == (72, 72, 0, 0, 0)
    assert told["batch_jobs"] == 0
    assert told["http_operations"] == 12
    assert 0 < told["input_tokens"] < 0.9 * 72 * 1_055  # what a comparison takes alone, on the average of all rounds
    assert told["cost_usd"] > 0
