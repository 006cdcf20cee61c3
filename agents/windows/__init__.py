"""Windows: when they close, and how what is in them is cut into plans."""
