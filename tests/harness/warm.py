"""The last module that the fork server imports: what each worker would do for itself, done once before they are forked."""

import gc
import inspect
import sys
from importlib import import_module

# What Faust and the HTTP client import only when they are used.
for name in (
    "anyio.streams.tls",
    "faust.app.router",
    "faust.assignor.leader_assignor",
    "faust.fixups.django",
    "faust.tables.objects",
    "faust.tables.sets",
    "faust.topics",
    "faust.worker",
    "genai_prices.validation",
    "httpcore2",
    "mode.debug",
    "truststore",
):
    import_module(name)
# Faust asks where each of its agents is declared. For that inspect looks at the files of all modules, and keeps what it found.
inspect.getmodule(sys._getframe())
# Faust collects garbage when partitions are taken away. What was imported is none, and stays in memory that the workers share.
gc.collect()
gc.freeze()
