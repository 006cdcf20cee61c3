"""`roundbatch explain`: what would become of a file of requests, or what has become of one comparison."""
