"""The last module that the fork server imports: what each worker would do for itself, done once before they are forked."""

import gc
import inspect
import pkgutil
import sys
from importlib import import_module

import httpcore2

from cli.packages import WORKER
from tests.harness.one_tls import share_tls

# A start imports what its settings ask for; Faust and the HTTP client import more when they are used. Here all of it is there.
OTHERS = (
    "anyio.streams.tls",
    "faust.app.router",
    "faust.assignor.leader_assignor",
    "faust.fixups.django",
    "faust.tables.objects",
    "faust.tables.sets",
    "faust.topics",
    "faust.worker",
    "genai_prices.validation",
    "mode.debug",
    "truststore",
)
for package in WORKER:
    for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        import_module(module.name)
for name in OTHERS:
    import_module(name)
share_tls()
httpcore2.default_ssl_context(_trust_env=True)  # as each client asks for it
# Faust asks where each of its agents is declared. For that inspect looks at the files of all modules, and keeps what it found.
inspect.getmodule(sys._getframe())
# Faust collects garbage when partitions are taken away. What was imported is none, and stays in memory that the workers share.
gc.collect()
gc.freeze()
