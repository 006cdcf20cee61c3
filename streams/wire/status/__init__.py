"""What a worker tells of itself in JSON: `/status` (`told.py`) and `/jobs` (`open_jobs.py`).

The worker makes these values (`agents/status/`), and `roundbatch watch` and `roundbatch jobs` read them. Other programs read
the JSON too, and a command may ask a worker of another version. A field's name is its name in the JSON. An older command
ignores a field that was added; a field that was taken away makes it say that the worker is of another version.

Ages and times left are in seconds, null where there is nothing to tell. No prompt, no essay and no key is in it.
"""
