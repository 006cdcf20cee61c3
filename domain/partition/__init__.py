"""The state of one partition in memory, and what is counted of it."""
