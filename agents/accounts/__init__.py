"""Accounts: opened, paused, and how much work and money each may take."""
