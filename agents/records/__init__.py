"""A record of the request topic or of the work topic: read, decided, written and answered."""
