"""What the worker tells of itself: the page, /status, /jobs, and gauges read at each scrape."""
