"""What is asked of a model, and in which form the answer is to come."""
