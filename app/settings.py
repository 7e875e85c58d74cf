"""Everything an operator can set, as one frozen object.

Each setting is an environment variable: `DESKBELL_` and the field's name in
capitals. A secret may also be given as the path of a file that holds it, in
`DESKBELL_<NAME>_FILE`. docs/operations.md describes each of them.
"""

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, JsonValue, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "DESKBELL_"
SECRET: dict[str, JsonValue] = {"secret": True}


class SettingsError(Exception):
    """A setting is wrong. The message is one line that names the variable."""


class Settings(BaseSettings):
    """The settings of one process. Read them with `load_settings`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    processes: Annotated[int, Field(ge=1, le=64)] = 2
    data_dir: Path = Path(".data")
    database_url: Annotated[str, Field(repr=False, json_schema_extra=SECRET)] = ""
    """`postgresql+asyncpg://…`; empty means the embedded Postgres."""
    database_pool_size: Annotated[int, Field(ge=2, le=200)] = 20
    """Connections that one server process may hold."""
    redis_url: Annotated[str, Field(repr=False, json_schema_extra=SECRET)] = ""
    """`redis://`, `rediss://` or `unix://`; empty means the embedded Redis."""
    redis_prefix: str = "deskbell"
    public_url: str = ""
    """Where browsers find Deskbell, without a final slash; made of host and port if not set."""
    secret_key: Annotated[str, Field(repr=False, json_schema_extra=SECRET)] = ""
    """Signs links and visitors' tokens; empty means the one kept in data_dir (`with_secret_key`)."""
    console_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins beside public_url's own from which the console may open a socket."""
    forwarded_allow_ips: str = "127.0.0.1"
    """Proxies (addresses or networks, by commas) whose X-Forwarded-* headers count."""
    connections: Annotated[int, Field(ge=10, le=1_000_000)] = 10_000
    """TCP connections that one server process holds."""
    connections_per_address: Annotated[int, Field(ge=5, le=1_000_000)] = 200
    """Of them, those of one address; behind a proxy, its sockets and long polls."""
    visitor_messages_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 60
    """Messages that one visitor may send, with a burst of twenty."""
    mail_url: Annotated[str, Field(repr=False, json_schema_extra=SECRET)] = ""
    """`smtp://user:password@host:587` (STARTTLS if offered) or `smtps://…`; empty means no mail."""
    mail_from: str = ""
    """The address that mail comes from; made of mail_url's user or public_url's host if not set."""
    mail_gather_seconds: Annotated[int, Field(ge=0, le=3600)] = 60
    """Answers written to an absent visitor within this time go out as one mail."""
    retention_days: Annotated[int, Field(ge=0, le=36500)] = 0
    """Conversations that ended so many days ago are erased; 0 keeps them."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # Only what `load_settings` passes: one reader of the environment, one set of rules.
        return (init_settings,)

    @field_validator("console_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @field_validator("console_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not re.fullmatch(r"https?://[^/?#\s]+", origin):
                raise ValueError(f"{origin!r} is not an origin such as https://desk.example.com")
        return value

    @field_validator("database_url")
    @classmethod
    def _names_asyncpg(cls, value: str) -> str:
        # `postgresql://` alone would make SQLAlchemy look for another driver.
        for scheme in ("postgresql://", "postgres://"):
            if value.startswith(scheme):
                return "postgresql+asyncpg://" + value.removeprefix(scheme)
        if value and not value.startswith("postgresql+asyncpg://"):
            raise ValueError("it must start with postgresql://")
        return value

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: str) -> str:
        if value and not re.match(r"rediss?(\+cluster|\+sentinel)?://|unix://", value):
            raise ValueError("it must start with redis://, rediss://, redis+cluster://, redis+sentinel:// or unix://")
        if "+sentinel://" in value and not urlsplit(value).path.strip("/"):
            raise ValueError("it must end with the name of what the sentinels watch: redis+sentinel://a:26379/name")
        return value

    @field_validator("mail_url")
    @classmethod
    def _is_mail(cls, value: str) -> str:
        if value and not (value.startswith(("smtp://", "smtps://")) and urlsplit(value).hostname):
            raise ValueError("it must look like smtp://user:password@host:587")
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_one_address(cls, value: str) -> str:
        if value and not re.fullmatch(r"[^@\s<>\"(),:;\\\[\]]+@[^@\s<>\"(),:;\\\[\]]+", value):
            raise ValueError("it must be one address such as chat@example.com, without a name")
        return value

    @field_validator("redis_prefix")
    @classmethod
    def _is_plain(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", value):
            raise ValueError("it may hold letters, digits, '.', '_' and '-' only")
        return value

    @field_validator("public_url")
    @classmethod
    def _is_a_page(cls, value: str) -> str:
        value = value.rstrip("/")
        if value and not re.fullmatch(r"https?://[^/?#\s]+", value):
            raise ValueError("it must be an origin such as https://chat.example.com, without a path")
        return value

    @field_validator("secret_key")
    @classmethod
    def _is_long(cls, value: str) -> str:
        if value and len(value) < 32:
            raise ValueError("it needs at least 32 characters")
        return value

    @model_validator(mode="after")
    def _fill_in(self) -> Self:
        if not self.public_url:
            host = {
                "0.0.0.0": "127.0.0.1",  # noqa: S104 (read, not bound)
                "::": "[::1]",
            }.get(self.host, self.host)
            object.__setattr__(self, "public_url", f"http://{host}:{self.port}")
        if self.mail_url and not self.mail_from:
            object.__setattr__(self, "mail_from", _sender(self.mail_url, self.public_url))
        object.__setattr__(self, "data_dir", self.data_dir.expanduser().absolute())
        return self

    def replaced(self, **values: object) -> Self:
        """A copy with some fields changed, validated like the first."""
        return type(self).model_validate({**self.model_dump(), **values})

    def environment(self) -> dict[str, str]:
        """The variables that make these settings again, for a child process."""
        values = {variable(field): str(getattr(self, field)) for field in type(self).model_fields}
        # Set to nothing, a `_FILE` of our own environment is no second source of the same secret.
        values |= {f"{variable(field)}_FILE": "" for field in secret_fields()}
        return {**values, variable("console_origins"): ",".join(self.console_origins)}

    def with_secret_key(self) -> Self:
        """These settings with a secret key: the one set, or one made once and kept in data_dir.

        Raises SettingsError if the file can be neither read nor written.
        """
        if self.secret_key:
            return self
        return self.replaced(secret_key=_kept_secret(self.data_dir / "secret_key"))


def _sender(mail_url: str, public_url: str) -> str:
    """The account's own address, which its server lets through; else one at our own host."""
    user = unquote(urlsplit(mail_url).username or "")
    if "@" in user:
        return user
    host = urlsplit(public_url).hostname or ""
    return f"deskbell@{host if re.search('[a-z]', host) and ':' not in host else 'localhost'}"


def secret_fields() -> frozenset[str]:
    """The names of fields that must not be shown and that take a `_FILE` variant."""
    return frozenset(name for name, field in Settings.model_fields.items() if field.json_schema_extra is SECRET)


def variable(field: str) -> str:
    """The environment variable of a field: `port` → `DESKBELL_PORT`."""
    return PREFIX + field.upper()


def load_settings(environ: Mapping[str, str] | None = None, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings of this environment; `overrides` are fields that win over it.

    An empty variable counts as not set. Raises SettingsError.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for field in Settings.model_fields:
        name = variable(field)
        if environ.get(name):
            values[field] = environ[name]
        path = environ.get(f"{name}_FILE")
        if path and field in secret_fields():
            if field in values:
                raise SettingsError(f"{name} and {name}_FILE are both set: keep one of them.")
            values[field] = _content(f"{name}_FILE", Path(path))
    try:
        return Settings.model_validate({**values, **(overrides or {})})
    except ValidationError as error:
        raise SettingsError(_first_line(error)) from None


def _content(name: str, path: Path) -> str:
    try:
        content = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"{name}: cannot read {path}: {reason}.") from None
    if not content:
        raise SettingsError(f"{name}: {path} is empty.")
    return content


def _first_line(error: ValidationError) -> str:
    """The first thing that is wrong, without the value: it may be a secret."""
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else "settings"
    message = first["msg"].removeprefix("Value error, ")
    return f"{variable(field)}: {message[:1].lower()}{message[1:].rstrip('.')}."


def _kept_secret(path: Path) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return _content(variable("data_dir"), path)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(48))
        return _content(variable("data_dir"), path)
    except OSError as error:
        raise SettingsError(f"{variable('data_dir')}: cannot keep a secret key in {path}: {error.strerror}.") from None
