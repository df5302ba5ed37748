"""The unified data lake: landing, append-only history, current views, quarantine.

    inbox/DATASET/                  what the department pushed, with its receipts, until it is read and past retention (lake.inbox)
    landing/DATASET/RUN/            what the source sent, unchanged, with a manifest (lake.landing)
    history/DATASET/                a Delta table that only grows: one row per changed record (lake.history)
    quarantine/DATASET/             a Delta table of rows that failed a rule, and of their release (lake.quarantine)
    base/DATASET/                   disposable: the newest row per key up to some load, to make current cheap (lake.upkeep)

Enters: a connector's reading, a gate's passes and rejects. Leaves: views of current rows and the facts of each load.
The Delta commit of a load is its publication; nothing is published outside it. Must not know: the ledger, HTTP, Airflow.
"""
