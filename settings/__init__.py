"""The settings of a worker: names, defaults, limits, and where a value came from."""

#: The name of every setting's environment variable begins with this.
PREFIX = "ROUNDBATCH_"
