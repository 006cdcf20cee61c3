"""`roundbatch quality`: how far the judgement can be trusted."""
