"""The adapter of Anthropic's Messages and Message Batches."""
