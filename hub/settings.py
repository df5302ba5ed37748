"""Settings: read from the environment once, here, and passed on as values."""

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every setting, its default and its help. Each is an environment variable with the prefix `HUB_`."""

    model_config = SettingsConfigDict(env_prefix="HUB_", env_file=None)

    home: Path = Field(Path("var"), description="folder of everything the hub keeps on the embedded default")
    lake: Path | None = Field(None, description="folder of the lake; default HOME/lake")
    drop_root: Path | None = Field(None, description="folder below which file sources are read; default HOME/drop")
    secrets: Path | None = Field(None, description="folder that `file:` secrets lie in; default HOME/secrets")
    production: bool = Field(
        False, description="no contract's address may lead to this machine, and each must be in HUB_REACHABLE"
    )
    reachable: str = Field(
        "",
        description="networks and hosts that contracts' addresses may lead to, as `10.20.0.0/16, *.gov.example`; "
        "empty outside production: all but link-local, metadata, multicast and reserved addresses",
    )
    declarations: Path | None = Field(None, description="folder with forms/ and subjects/; default HOME/declarations")
    ledger_url: str = Field("", repr=False, description="SQLAlchemy URL of the ledger; default SQLite in HOME")
    subjects_url: str = Field("", repr=False, description="SQLAlchemy URL of the subject store; default SQLite in HOME")
    audit_url: str = Field("", repr=False, description="SQLAlchemy URL of the audit tables; default SQLite in HOME")
    timezone: str = Field("Asia/Shanghai", description="time zone of the city: what 'today' means")
    language: Literal["", "zh", "en"] = Field(
        "", description="labels and errors of the command line; default: the terminal's locale"
    )
    lease_seconds: int = Field(120, ge=5, description="a run that is silent for longer loses its lease")
    department_pulls: int = Field(2, ge=1, description="how many pulls may ask one department's systems at once")
    judge_memory_mb: int = Field(1024, ge=128, description="memory the gate may take, in MiB")
    subject_buckets: int = Field(4, ge=1, description="hash buckets of a subject build; each is one Airflow task")
    subject_key: SecretStr | None = Field(
        None, description="hex secret that the subject store is written under; default: made once in HOME/keys"
    )
    api_url: str = Field("http://127.0.0.1:8000", description="where portals reach the hub's API, for links")
    review: Literal["office", "pair"] = Field(
        "office",
        description="who publishes contracts: `office`, what is applied here is approved at once; `pair`, another person than who submitted it",
    )
    office: str = Field("数据主管部门", description="the data office's name, which answers for the catalog")
    office_en: str = Field("Data office", description="the data office's name in English")
    airflow_url: str = Field(
        "",
        description="Airflow's API, to create pools when a contract is applied (empty: pools.json only) and to start a dataset's DAG after a push",
    )
    airflow_pages: str = Field(
        "", description="where people's browsers reach Airflow, for links to DAGs; default HUB_AIRFLOW_URL"
    )
    airflow_token: SecretStr | None = Field(None, description="bearer token for Airflow's API")
    subject_budget: int = Field(
        1000,
        ge=0,
        description="different subjects that a client may ask about within 30 days for one purpose, unless `hub client budget` says otherwise",
    )
    api_places: int = Field(
        64, ge=2, description="requests answered at once; who comes then is told to come again (429)"
    )
    audit_anchors: Path | None = Field(
        None,
        description="file that signed heads of the audit are appended to, on a disk that the hub's operators cannot rewrite",
    )
    push_max_mb: int = Field(256, ge=1, description="largest body that a department may push, in MiB")
    local_accounts: bool = Field(
        True, description="take passwords of accounts that `hub account add` made, at /sign-in"
    )
    oidc_issuer: str = Field(
        "", description="the identity provider that people sign in at (OpenID Connect), as it calls itself; empty: none"
    )
    oidc_client_id: str = Field("cityhub", description="this hub's client id at the identity provider")
    oidc_client_secret: str | None = Field(
        None, description="where the client secret is: env:NAME or file:NAME; none: a public client, by PKCE alone"
    )
    oidc_department_claim: str = Field(
        "department", description="claim of the ID token with a person's department (USCC code)"
    )
    oidc_roles_claim: str = Field(
        "roles",
        description="claim with the roles: editor, approver, office, auditor, client; a dot leads into a claim, as realm_access.roles",
    )
    oidc_client_claim: str = Field(
        "client", description="claim with the client id of the portal that a person answers for"
    )
    session_idle_minutes: int = Field(
        30, ge=1, description="a session of the console ends when nobody asked for so long"
    )
    session_hours: int = Field(10, ge=1, description="a session of the console ends so long after its sign-in")
    upload_max_mb: int = Field(
        64, ge=1, le=256, description="largest file that a department may upload in the console, in MiB"
    )
    upload_days: int = Field(
        30, ge=1, description="days after which a registration that nobody changed is forgotten with its file"
    )
    demo_portal: bool = Field(False, description="serve the demonstration portal at /forms, with subjects to try")
    personas: Literal["off", "beside", "only"] = Field(
        "off",
        description="fictitious subjects for testers: none, beside the real ones, or (a sandbox) nobody else; `only` never opens the subject store",
    )
    openlineage_url: str = Field("", description="where OpenLineage events of every run are posted; empty: nowhere")
    openlineage_namespace: str = Field(
        "cityhub", description="namespace of this hub's jobs and datasets in OpenLineage events"
    )
    notify_format: Literal["plain", "wecom", "dingtalk"] = Field("plain", description="message format of notify_url")
    notify_url: str = Field(
        "", description="webhook or mailto: address of the data office, for datasets whose contract names no contact"
    )
    smtp_url: str = Field(
        "",
        description="mail server for `mailto:` addresses: smtp+tls://HOST:587, smtps://HOST:465, or smtp://HOST:25 without account",
    )
    smtp_from: str = Field("cityhub@localhost", description="sender of the hub's mails")
    smtp_secret: str | None = Field(
        None, description="where the mail account is, as user:password: env:NAME or file:NAME"
    )
    dispute_days: int = Field(10, ge=1, description="working days that a department has to settle a dispute (异议核实)")
    disputes_open: int = Field(1000, ge=1, description="how many disputes one client may have open at once")

    request_days: int = Field(
        10, ge=1, description="working days that a department has to decide on a request for conditional data"
    )
    request_days_unconditional: int = Field(
        1, ge=1, description="the same for unconditional data that is sensitive, and so not granted at once"
    )
    request_extension_days: int = Field(10, ge=1, description="working days that one extension of a request adds")
    request_remind_days: int = Field(
        2, ge=0, description="how many working days before a request is due its department is reminded"
    )
    requests_open: int = Field(100, ge=1, description="how many requests one client may have open at once")
    delivery_days: int = Field(
        20, ge=1, description="working days within which data that was granted must have been published"
    )

    @cached_property
    def lake_root(self) -> Path:
        """Folder of the lake."""
        return (self.lake or self.home / "lake").absolute()

    @cached_property
    def drops(self) -> Path:
        """Folder below which file sources are read."""
        return (self.drop_root or self.home / "drop").absolute()

    @cached_property
    def secret_files(self) -> Path:
        """Folder that `file:` secrets lie in."""
        return (self.secrets or self.home / "secrets").absolute()

    @cached_property
    def declared(self) -> Path:
        """Folder with forms/ and subjects/."""
        return (self.declarations or self.home / "declarations").absolute()

    @property
    def index(self) -> Path:
        """The compiled index that DAG files read."""
        return (self.home / "index.json").absolute()

    @property
    def work(self) -> Path:
        """Scratch space of runs; a run's folder goes when it ends."""
        return (self.home / "work").absolute()

    @property
    def staging(self) -> Path:
        """Files uploaded for registrations, one folder each; it goes with its registration."""
        return (self.home / "staging").absolute()

    @property
    def docs(self) -> Path:
        """Data Docs, one folder per dataset."""
        return (self.home / "docs").absolute()

    def database(self, name: Literal["ledger", "subjects", "audit"]) -> str:
        """SQLAlchemy URL of one of the hub's databases."""
        given: str = getattr(self, f"{name}_url")
        return given or f"sqlite:///{(self.home / name).absolute()}.db"
