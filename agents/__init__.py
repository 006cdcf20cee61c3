"""collect, reconcile, timers and dispatcher: the only place where all the other packages meet."""
