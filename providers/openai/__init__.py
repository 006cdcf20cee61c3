"""The adapter of OpenAI's Chat Completions and Batch."""
