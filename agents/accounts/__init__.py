"""The accounts at providers: how they are opened and paused, and how much work and money each may take now."""
