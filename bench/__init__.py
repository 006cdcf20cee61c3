"""Measures the worker beside plain aiokafka: `python -m bench.throughput` (docs/performance.md)."""
