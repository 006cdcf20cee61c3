"""What talks to LLM providers: one protocol, the anthropic and openai adapters, prompts, answer schema, prices."""
