"""The adapter of OpenRouter: chat completions that it passes on to one provider, and no batches."""
