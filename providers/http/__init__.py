"""HTTP to a provider: transport, failures, lists, files of rows."""
