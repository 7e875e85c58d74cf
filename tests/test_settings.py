"""What an operator sets is taken, wrong settings are named in one line, secrets stay secret."""

import re
from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, load_settings, secret_fields, variable

LONG = "x" * 40


def test_nothing_set_is_a_whole_configuration() -> None:
    settings = load_settings({})
    assert (settings.host, settings.port, settings.processes) == ("127.0.0.1", 8000, 2)
    assert settings.public_url == "http://127.0.0.1:8000"
    assert (settings.database_url, settings.redis_url) == ("", "")
    assert settings.data_dir == Path.cwd() / ".data"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_settings({"DESKBELL_PORT": ""}).port == 8000


def test_the_public_address_follows_host_and_port() -> None:
    settings = load_settings({"DESKBELL_HOST": "0.0.0.0", "DESKBELL_PORT": "9001"})
    assert settings.public_url == "http://127.0.0.1:9001"
    assert load_settings({"DESKBELL_PUBLIC_URL": "https://chat.example.com/"}).public_url == "https://chat.example.com"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_a_database_address_names_our_driver(scheme: str) -> None:
    settings = load_settings({"DESKBELL_DATABASE_URL": f"{scheme}://ada:pw@db/desk"})
    assert settings.database_url == "postgresql+asyncpg://ada:pw@db/desk"


def test_origins_are_given_with_commas() -> None:
    settings = load_settings({"DESKBELL_CONSOLE_ORIGINS": "https://a.example, https://b.example:8443/"})
    assert settings.console_origins == ("https://a.example", "https://b.example:8443")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", "eighty"),
        ("port", "70000"),
        ("processes", "0"),
        ("database_url", "mysql://db/desk"),
        ("database_pool_size", "1"),
        ("redis_url", "http://redis"),
        ("redis_url", "redis+sentinel://watcher:26379"),
        ("redis_prefix", "a b"),
        ("public_url", "chat.example.com"),
        ("public_url", "https://example.com/chat"),
        ("secret_key", "short"),
        ("console_origins", "https://a.example/path"),
        ("mail_url", "mail.example.com"),
        ("log_level", "loud"),
        ("log_format", "xml"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(field: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({variable(field): value})
    assert str(caught.value).startswith(f"{variable(field)}: ")
    assert "\n" not in str(caught.value)


def test_a_wrong_secret_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"DESKBELL_DATABASE_URL": "mysql://root:hunter2@db/desk"})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(load_settings({"DESKBELL_DATABASE_URL": "postgresql://root:hunter2@db/desk"}))


def test_a_secret_may_be_the_content_of_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{LONG}\n")
    assert load_settings({"DESKBELL_SECRET_KEY_FILE": str(secret)}).secret_key == LONG


def test_every_secret_takes_a_file_and_nothing_else_does(tmp_path: Path) -> None:
    assert secret_fields() == {"database_url", "redis_url", "secret_key", "mail_url"}
    port = tmp_path / "port"
    port.write_text("9001")
    assert load_settings({"DESKBELL_PORT_FILE": str(port)}).port == 8000


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(LONG)
    with pytest.raises(SettingsError, match="DESKBELL_SECRET_KEY and DESKBELL_SECRET_KEY_FILE are both set"):
        load_settings({"DESKBELL_SECRET_KEY": LONG, "DESKBELL_SECRET_KEY_FILE": str(secret)})


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_an_unusable_secret_file_is_named(content: bytes | None, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(SettingsError, match=f"^DESKBELL_SECRET_KEY_FILE: .*{re.escape(str(secret))}"):
        load_settings({"DESKBELL_SECRET_KEY_FILE": str(secret)})


def test_a_secret_key_is_made_once_and_kept_for_its_owner(tmp_path: Path) -> None:
    settings = load_settings({"DESKBELL_DATA_DIR": str(tmp_path / "data")})
    assert settings.secret_key == ""

    made = settings.with_secret_key().secret_key

    assert len(made) >= 32
    assert settings.with_secret_key().secret_key == made
    assert (tmp_path / "data" / "secret_key").stat().st_mode & 0o777 == 0o600


def test_a_secret_key_that_is_set_is_not_kept(tmp_path: Path) -> None:
    settings = load_settings({"DESKBELL_DATA_DIR": str(tmp_path / "data"), "DESKBELL_SECRET_KEY": LONG})
    assert settings.with_secret_key().secret_key == LONG
    assert not (tmp_path / "data").exists()


def test_settings_go_to_a_child_and_come_back() -> None:
    settings = load_settings(
        {
            "DESKBELL_PORT": "9001",
            "DESKBELL_DATABASE_URL": "postgresql://ada:p%40w@/desk?host=/run/pg",
            "DESKBELL_CONSOLE_ORIGINS": "https://a.example,https://b.example",
            "DESKBELL_LOG_FORMAT": "json",
        }
    )
    assert load_settings(settings.environment()) == settings


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings({}).port = 1  # type: ignore[misc]


def test_every_setting_is_documented() -> None:
    told = (Path(__file__).parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")
    assert [variable(field) for field in Settings.model_fields if f"| `{variable(field)}` |" not in told] == []
    assert [variable(field) for field in secret_fields() if f"`{variable(field)}_FILE`" not in told] == []
    written = set(re.findall(r"^\| `(DESKBELL_\w+)`", told, re.MULTILINE))
    assert written == {variable(field) for field in Settings.model_fields}
