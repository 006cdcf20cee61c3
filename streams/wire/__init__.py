"""The records on Kafka: request events, the worker's own records, result events (docs/contract.md)."""
