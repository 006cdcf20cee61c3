"""From a request record to the plans of jobs. It is pure: whoever asks what would become of a record runs the same code."""
