"""The operational database: contracts, runs, leases, outcomes, clients, grants, the subject store and the audit tables.

Enters: values of the rooms below (contracts, landing and load records). Leaves: the same, remembered. Pipeline tables can be
rebuilt from the lake; contracts, grants, audit and the subject store's keys cannot and are what a backup must hold.
Must not know: HTTP, Airflow, how data is read or judged.
"""
