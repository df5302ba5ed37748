"""dlt's way of the same work, run with dlt's own interpreter: `dlt_pull.py URL BACKEND FOLDER ROWS`: a table into a Delta table."""

import resource
import sys
import time

import connectorx  # noqa: F401 - not part of the time, for us as for them
import deltalake  # noqa: F401
import dlt
from dlt.sources.sql_database import sql_table

url, backend, folder, rows = sys.argv[1:]
kwargs = {"connectorx": {"conn": url.replace("mysql+pymysql", "mysql").replace("postgresql+psycopg2", "postgresql")}}
started = time.perf_counter()
table = sql_table(
    credentials=url, table="residents", backend=backend, chunk_size=100_000, backend_kwargs=kwargs.get(backend, {}),
    reflection_level="full",
)  # fmt: skip
pipeline = dlt.pipeline(
    "bench",
    pipelines_dir=f"{folder}/state",
    destination=dlt.destinations.filesystem(f"file://{folder}/lake"),
    dataset_name="d",
)
pipeline.run(table, table_format="delta", write_disposition="replace", loader_file_format="parquet")
seconds = time.perf_counter() - started
found = pipeline.last_trace.last_normalize_info.row_counts["residents"]
if found != int(rows):
    raise SystemExit(f"{found} rows instead of {rows}")
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
