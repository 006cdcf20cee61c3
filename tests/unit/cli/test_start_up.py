"""What a command loads before it does anything: a module too many makes each start slower, and no clock has to show it."""

import json
import subprocess
import sys

#: Their loading is what a start would wait for; who needs one of them imports it where it is needed.
PROVIDER_SDKS = {"anthropic", "openai"}
NOT_A_WORKERS = {
    "bench", "choix", "cli", "compare", "confluent_kafka", "demo", "gateway", "matplotlib", "numpy", "opentelemetry",
    "scipy", "simulator", "starlette", "tests", "typer", "uvicorn",
}  # fmt: skip
HELP_LOADS = {"annotated_doc", "cli", "shellingham", "typer", "typing_extensions"}
#: Of the standard library: slow to load, and of no use to a page of help.
NOT_FOR_HELP = {"asyncio", "email", "http", "importlib.metadata", "multiprocessing", "sqlite3", "ssl"}


def loaded_by(code: str) -> set[str]:
    """The modules that the code has loaded in an interpreter of its own, beside those of the interpreter's start."""
    told = (
        "import sys; before = set(sys.modules)\n"
        f"{code}\n"
        "import json; sys.stderr.write(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


def tops(modules: set[str]) -> set[str]:
    """The packages they are in, without those of the standard library."""
    return {name.partition(".")[0] for name in modules} - sys.stdlib_module_names


def test_help_loads_the_commands_and_typer_alone() -> None:
    loaded = loaded_by('from cli.main import app\ntry: app(["--help"], prog_name="roundbatch")\nexcept SystemExit: pass')
    assert "cli.explain.command" in loaded
    assert tops(loaded) <= HELP_LOADS
    assert loaded & NOT_FOR_HELP == set()


def test_a_worker_is_loaded_without_any_sdk() -> None:
    loaded = tops(loaded_by("import agents.worker"))
    assert {"agents", "faust", "domain"} <= loaded
    assert loaded & (PROVIDER_SDKS | NOT_A_WORKERS) == set()


def test_an_account_loads_the_sdk_of_its_own_provider() -> None:
    loaded = tops(
        loaded_by(
            "from prometheus_client import CollectorRegistry\n"
            "from agents.accounts.open import open_accounts\n"
            "from agents.metrics.counters import Metrics\n"
            "from settings.settings import load_settings\n"
            'open_accounts(load_settings({"OPENAI_API_KEY": "key"}), on_http=Metrics(CollectorRegistry()).http_operation)'
        )
    )
    assert loaded & PROVIDER_SDKS == {"openai"}


def test_a_gateway_is_loaded_without_the_worker() -> None:
    """Faust and the tables' store would double its memory."""
    loaded = tops(loaded_by("import gateway.server"))
    assert {"gateway", "starlette", "uvicorn"} <= loaded
    assert loaded & (PROVIDER_SDKS | {"agents", "faust", "providers", "rocksdict", "tables"}) == set()
