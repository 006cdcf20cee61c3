"""`make compare`: every case by the model, some for real on a real Kafka, into build/compare.json and build/compare.html.

    python -m compare [--model-only]

Exit code 1 where a comparison was not answered, or the model and a real run differ by more than a tenth.
"""

import argparse
import os
import sys
from pathlib import Path

from compare.comparing import compare
from compare.real import Place
from tests.brokers import running_kafka

OUT = Path("build")


def main(model_only: bool) -> int:
    """Compare, and say so."""
    if model_only:
        return 0 if compare(OUT, None, _say) else 1
    with running_kafka() as bootstrap:
        kafka = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "ROUNDBATCH_PARTITIONS": "2"}
        return 0 if compare(OUT, Place(kafka, {}, os.environ, OUT / "compare"), _say) else 1


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m compare", description=__doc__.partition("\n")[0])
    parser.add_argument("--model-only", action="store_true", help="only the rows of the model: a minute, without Kafka")
    sys.exit(main(parser.parse_args().model_only))
