"""What stands on the wire: request events, the worker's own records, result events."""
