"""The provider mock: answers that are made up, from the worker itself."""
