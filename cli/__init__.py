"""The `roundbatch` command."""
