"""What happened, told to whom it concerns: notices, events, the outbox emptied, lineage sent."""
