"""The settings of a worker: names, defaults, limits, and where a value came from."""

#: Every setting's variable begins so.
PREFIX = "ROUNDBATCH_"
