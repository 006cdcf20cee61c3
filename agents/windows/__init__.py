"""Windows that are due are closed, by the planner's word; and what else happens by time."""
