"""Imports for the scheduler to make before its local executor forks workers: tasks then start warm.

Great Expectations alone takes seconds to import; forked tasks share it. Nothing is *used* here: deltalake must not be, before a fork.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import duckdb_engine
    import great_expectations.checkpoint
    import great_expectations.core.batch_definition

    import hub.filing.subject_files
    import hub.pulling.pipeline

__all__: list[str] = []
_warm = (duckdb_engine, great_expectations, hub)
