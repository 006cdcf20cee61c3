"""The Faust app, its topics, the records on the wire, their codecs, and the settings."""
