"""From a request record to the plans of jobs: pure, so that whoever asks what would become of a record runs the same code."""
