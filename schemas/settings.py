"""Settings: where Trajmill runs, with which keys. From the environment; built in `flows/`, never a flow parameter."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import ConfigError
from schemas.invalid_values import faults_of
from schemas.redaction import learn_secret, secrets_in_url


def default_cache() -> Path:
    """Return the cache folder: sandboxes drop root, so root's must lie where an unprivileged user can read it."""
    if os.geteuid() == 0:
        return Path("/var/cache/trajmill")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trajmill"


def default_idle_minutes() -> float:
    """Return how long a server stays warm: not at all on a machine that is thrown away after its job."""
    return 0.0 if os.environ.get("CI") else 10.0


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="TRAJMILL_", extra="ignore", frozen=True)

    home: Path = Path("data")
    """Tables, ledger, releases (TRAJMILL_HOME)."""
    cache: Path = Field(default_factory=default_cache)
    """Base images (TRAJMILL_CACHE)."""
    ledger_url: SecretStr | None = None
    """Where paid answers are kept, if not in the home: sqlite:/// or postgresql:// (TRAJMILL_LEDGER_URL)."""
    mariadb_url: SecretStr | None = None
    """Administrator of the MariaDB server for tasks in MySQL's dialect: mysql://admin:password@host:3306; None = a
    private server is started when a task needs one (TRAJMILL_MARIADB_URL)."""
    postgres_url: SecretStr | None = None
    """The same for PostgreSQL: postgresql://admin:password@host:5432/postgres (TRAJMILL_POSTGRES_URL)."""
    sparql_url: SecretStr | None = None
    """A SPARQL endpoint that is no one else's business, with its password if it has one: http://user:password@host/sparql
    (TRAJMILL_SPARQL_URL)."""
    server_idle_minutes: float = Field(default_factory=default_idle_minutes, ge=0)
    """How long the home's Prefect server stays when no command uses it, for the next one to find it warm; 0 = it ends
    with its command, as it does where CI is set (TRAJMILL_SERVER_IDLE_MINUTES)."""
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    hf_token: SecretStr | None = Field(default=None, validation_alias="HF_TOKEN")

    def __init__(self, **values: Any) -> None:
        """Read the environment.

        Raises:
            ConfigError: a variable has a value that it cannot have.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            names = (f"{'' if key.isupper() else 'TRAJMILL_'}{key.upper()}{words}" for key, words in faults_of(error))
            raise ConfigError(f"the environment says {'; '.join(names)}") from None

    def model_post_init(self, context: Any) -> None:
        """Have the secrets kept out of all that is said and stored from now on."""
        urls = (self.ledger_url, self.mariadb_url, self.postgres_url, self.sparql_url)
        secret = (self.openai_api_key, self.hf_token, *urls)
        told = [value.get_secret_value() for value in secret if value is not None]
        addresses = [*told, self.openai_base_url or "", os.environ.get("PREFECT_API_URL", "")]
        for value in (*told, os.environ.get("PREFECT_API_AUTH_STRING", "").partition(":")[2]):
            learn_secret(value)
        for address in addresses:
            for value in secrets_in_url(address):
                learn_secret(value)

    def ledger_place(self, home: Path) -> Path | str:
        """Return where the ledger of a home is; a URL may hold a password and belongs into no message."""
        return self.ledger_url.get_secret_value() if self.ledger_url else home / "ledger.sqlite"

    def database_servers(self) -> dict[str, str]:
        """Return the URLs of the configured database servers by dialect or protocol; they hold passwords."""
        urls = {"mysql": self.mariadb_url, "postgres": self.postgres_url, "sparql": self.sparql_url}
        return {dialect: url.get_secret_value() for dialect, url in urls.items() if url is not None}
