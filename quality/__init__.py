"""The gate: what a delivery must be to be published, and what becomes of each of its rows.

Enters: a contract and the record batches of landed files. Leaves: passes, rejects with their reasons, the delivered keys, a verdict
(publish or hold), and a Data Docs page. Must not know: where rows come from, how they are appended, who is told.

    rule(s)      one definition each: a row predicate, a Great Expectations expectation, words for people
    standardise  delivered values as the contract's types, in a DuckDB file
    prepared     the same while they are still being read from a database
    sieve        splits rows by the predicates
    judge        counts by the expectations; the two must agree
    gate         the story; docs, verdict: what is told of it
"""
