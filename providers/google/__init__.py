"""The adapter of Google's Gemini API, over REST without an SDK."""
