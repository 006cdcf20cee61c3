"""Kafka: the Faust application, its consumer, the one producer, and topics."""
