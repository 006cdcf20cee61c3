"""What a worker holds of each of its partitions."""
