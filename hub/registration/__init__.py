"""A source becomes a dataset: looked at, drafted, described, reviewed, and entered in the ledger and the index."""
