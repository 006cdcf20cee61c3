"""`roundbatch compare`: all strategies on one workload, cost against time."""
