"""The settings of a worker: names, defaults, limits, and where a value came from."""
