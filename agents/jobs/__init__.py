"""A job's way: from its plan to the provider, and its answers back into the log."""
