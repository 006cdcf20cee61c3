"""`roundbatch watch`: the state of several workers together, in a terminal."""
