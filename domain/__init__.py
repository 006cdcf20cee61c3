"""Frozen values and pure decisions. Imports nothing of ours; time comes in as an argument."""
