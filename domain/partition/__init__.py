"""The state of one partition in memory, with the counts that are kept up beside it."""
