"""`python -m examples.demo_city.generator --out DIR`: writes the demo city, or lets a day go by in the one that is there."""

import argparse
import sys
import time
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from examples.demo_city.generator import Plan, generate


def main(arguments: list[str] | None = None) -> int:
    """Parses the command line and writes the city; exit code 0."""
    parser = argparse.ArgumentParser(prog="examples.demo_city.generator", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write below")
    parser.add_argument("--residents", type=int, default=20_000)
    parser.add_argument("--companies", type=int, default=None, help="default: 15 for every 100 residents")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--today", type=date.fromisoformat, default=None, help="the day the hub looks; default: today")
    parser.add_argument("--day", type=int, default=0, help="days to let go by after the first delivery")
    options = parser.parse_args(arguments)
    today = options.today or datetime.now(ZoneInfo("Asia/Shanghai")).date()
    companies = options.companies if options.companies is not None else options.residents * 15 // 100
    begin = time.perf_counter()
    generate(options.out, Plan(options.residents, companies, options.seed, today), options.day)
    sys.stdout.write(f"{options.out}: day {options.day} of a city of {options.residents} residents and {companies} companies, "
                     f"in {time.perf_counter() - begin:.1f} s\n")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
