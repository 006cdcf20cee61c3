"""The comparison that decides: one recorded workload through every strategy, by a model and for real (`make compare`)."""
