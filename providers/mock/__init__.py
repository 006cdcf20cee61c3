"""The provider mock: answers that the worker makes up itself."""
