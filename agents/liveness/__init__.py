"""Whether the worker is alive, and what ends it when it is not."""
