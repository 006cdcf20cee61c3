"""The gateway: comparisons are posted over HTTP, as CJ does, and become records of the request topic."""
