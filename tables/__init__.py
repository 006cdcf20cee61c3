"""What the worker remembers: one module a table, the acknowledged table, the view."""
