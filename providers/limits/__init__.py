"""What an account may do a minute: pure objects that are told the time; `providers.limits.limiter` waits for what they say."""
