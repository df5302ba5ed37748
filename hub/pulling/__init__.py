"""A dataset's run, from the question whether it may begin to its publication; and runs of other kinds: pushed, replayed, reconciled."""
