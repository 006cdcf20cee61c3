"""`make chaos`: everything that can go wrong goes wrong at random, and what was promised is checked from outside."""
