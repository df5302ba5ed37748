#!/usr/bin/env python3
"""Makes the passwords and keys of a compose installation: `python3 docker/make_env.py` writes `.env`, for its owner's eyes only.

An `.env` that is there is left as it is: its passwords are those of databases that exist.
"""

import base64
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

SECRETS: dict[str, Callable[[], str]] = {
    "POSTGRES_PASSWORD": lambda: secrets.token_hex(20),
    "AIRFLOW_DB_PASSWORD": lambda: secrets.token_hex(20),
    "AIRFLOW_ADMIN_PASSWORD": lambda: secrets.token_urlsafe(12),
    "AIRFLOW_JWT_SECRET": lambda: secrets.token_hex(32),
    "AIRFLOW_API_SECRET": lambda: secrets.token_hex(32),
    "AIRFLOW_FERNET_KEY": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "HUB_DB_PASSWORD": lambda: secrets.token_hex(20),
    "HUB_SUBJECT_KEY": lambda: secrets.token_hex(32),
    "DEMO_REST_TOKEN": lambda: secrets.token_urlsafe(12),
}


def main(path: Path) -> int:
    """Write the file, or say that it is there; returns the exit code."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        sys.stderr.write(f"{path} is there already and is left as it is\n")
        return 1
    with os.fdopen(handle, "w") as file:
        file.writelines(f"{name}={make()}\n" for name, make in SECRETS.items())
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".env")))
