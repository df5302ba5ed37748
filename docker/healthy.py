#!/usr/bin/env python3
"""Exit code 0 if the address answers: `healthy.py URL`; with a part's name, if Airflow's health report says that the part is well."""

import json
import sys
import urllib.request

ADDRESS, *PART = sys.argv[1:]
with urllib.request.urlopen(ADDRESS, timeout=5) as answer:  # noqa: S310 - an address of this very compose file
    report = json.load(answer)
sys.exit(0 if not PART or (report.get(PART[0]) or {}).get("status") == "healthy" else 1)
