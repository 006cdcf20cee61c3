"""An executable model of a deployment in memory: log, tables, workers, a provider; all I/O happens when a test says so."""
