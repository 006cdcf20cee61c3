"""What integration and chaos tests drive: a worker as a process, its topics, and what came out of them."""
