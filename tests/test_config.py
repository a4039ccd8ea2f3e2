"""cmpd.conf: what it may say, and what is said back where it says something else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cmpd.config import Config, ConfigError, key_names, split_address

PACKAGED = Path(__file__).parent.parent / "cmpd.conf"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the configuration lies."""
    return tmp_path / "cmpd.conf"


def _load(file: Path, text: str, **environment: str) -> Config:
    file.write_text(text, "utf-8")
    return Config.load(file, environment)


def test_the_packaged_configuration_says_nothing_but_defaults(file: Path) -> None:
    assert _load(file, PACKAGED.read_text("utf-8")) == _load(file, "")


def test_the_packaged_configuration_shows_every_key_with_its_default(file: Path) -> None:
    """With its comments taken off, too, it is the default; where there is none, it shows an example."""
    text = re.sub(r"^# (\w+ = )", r"\1", PACKAGED.read_text("utf-8"), flags=re.MULTILINE)
    for example in ("tls_certificate", "tls_key", "tls_client_ca"):
        assert f"{example} = " in text
        text = re.sub(rf"^{example} = .*$", "", text, flags=re.MULTILINE)
    assert _load(file, text) == _load(file, "")
    for name in key_names(Config):
        section, _, key = name.rpartition(".")
        part = re.split(rf"^\[+{section}\]", text, flags=re.MULTILINE)[1] if section else text
        assert re.search(rf"^{key} = ", part, re.MULTILINE) or key.startswith("tls_c") or key == "tls_key", (
            name
        )


def test_paths_are_relative_to_the_file(file: Path) -> None:
    config = _load(file, 'store = "a.db"\nmaster_key = "/run/keys/b"\n[client]\nsecret_file = "c"')
    assert config.store == str(file.parent / "a.db")
    assert config.master_key == Path("/run/keys/b")
    assert config.client.secret_file == file.parent / "c"


def test_a_postgresql_url_is_no_path(file: Path) -> None:
    assert _load(file, 'store = "postgresql://db/cmpd"').store == "postgresql://db/cmpd"


@pytest.mark.parametrize(
    ("variable", "value", "section", "key", "expected"),
    [
        ("CMPD_WORKERS", "3", None, "workers", 3),
        ("CMPD_STORE", "/x.db", None, "store", "/x.db"),
        ("CMPD_HTTP_BODY_SIZE", "2048", "http", "body_size", 2048),
        ("CMPD_HTTP_BASIC_OVER_HTTP", "true", "http", "basic_over_http", True),
        ("CMPD_HTTP_TRUSTED_PROXIES", '["10.0.0.0/8"]', "http", "trusted_proxies", ("10.0.0.0/8",)),
        ("CMPD_CLIENT_ID", "gate", "client", "id", "gate"),
    ],
)
def test_the_environment_overrides(
    file: Path, variable: str, value: str, section: str | None, key: str, expected: Any
) -> None:
    config = _load(file, "workers = 2\n[http]\nbody_size = 4096", **{variable: value})
    assert getattr(getattr(config, section) if section else config, key) == expected


@pytest.mark.parametrize("text", ["", '[[listen]]\naddress = "127.0.0.1:1"\ntls_minimum = "1.3"'])
def test_the_environment_overrides_the_only_listener(file: Path, text: str) -> None:
    (listener,) = _load(file, text, CMPD_LISTEN_ADDRESS="0.0.0.0:8504").listen
    assert listener.address == "0.0.0.0:8504"
    assert listener.tls_minimum == ("1.3" if text else "1.2")


def test_the_environment_cannot_say_which_of_two_listeners_it_means(file: Path) -> None:
    text = '[[listen]]\naddress = "127.0.0.1:1"\n[[listen]]\naddress = "127.0.0.1:2"'
    with pytest.raises(ConfigError, match=r"listen\.address: from the environment it is for one"):
        _load(file, text, CMPD_LISTEN_ADDRESS="0.0.0.0:8504")


def test_what_container_engines_set_for_a_service_named_cmpd_is_left_alone(file: Path) -> None:
    engine = {
        "CMPD_PORT": "tcp://10.0.0.1:8504",
        "CMPD_PORT_8504_TCP_ADDR": "10.0.0.1",
        "CMPD_SERVICE_HOST": "10.0.0.1",
        "CMPD_SERVICE_PORT_CMP": "8504",
    }
    assert _load(file, "", **engine) == _load(file, "")


def test_a_misspelt_variable_is_named(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"CMPD_WROKERS.*CMPD_WORKERS is meant"):
        _load(file, "", CMPD_WROKERS="2")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("wrokers = 2", 1, ["wrokers", "workers is meant?"]),
        ("\n[http]\nbody_sise = 1", 3, ["http.body_sise", "body_size is meant?"]),
        ("[htpp]\n", 1, ["htpp", "http is meant?"]),
        ("workers = 0", 1, ["workers", "1 to 256 are expected"]),
        ('workers = "two"', 1, ["workers", "a whole number"]),
        ("workers = true", 1, ["workers", "a whole number"]),
        ("store = 7", 1, ["store", "text is expected"]),
        ('master_key = ""', 1, ["master_key", "a path"]),
        ('synchronous = "off"', 1, ["synchronous", "full, normal"]),
        ("[http]\nbasic_over_http = 1", 2, ["http.basic_over_http", "true or false"]),
        ("[http]\ntrusted_proxies = [1]", 2, ["http.trusted_proxies", "a list of texts"]),
        ('[[listen]]\naddress = "8504"', 2, ["address", "host:port"]),
        ('[[listen]]\naddress = "a:70000"', 2, ["address", "host:port"]),
        ("listen = []", 1, ["listen", "[[listen]]"]),
        ("http = 3", 1, ["http", "a table is expected"]),
        (
            "[cmp]\npbm_iterations_min = 9000\npbm_iterations_max = 8000",
            2,
            ["cmp.pbm_iterations_min", "larger"],
        ),
        ('[log]\nformat = "xml"', 2, ["log.format", "journal, json"]),
        ("workers = =", 1, ["is not TOML", "line 1"]),
    ],
)
def test_an_error_names_the_line_the_key_and_what_was_expected(
    file: Path, text: str, line: int, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as refusal:
        _load(file, text)
    message = str(refusal.value)
    assert message.startswith(str(file))
    assert f":{line}:" in message or f"line {line}" in message
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_missing_file_is_named_with_the_remedy(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file; .* init"):
        Config.load(file)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:8504", ("127.0.0.1", 8504)),
        ("[::1]:80", ("::1", 80)),
        ("cmp.example:443", ("cmp.example", 443)),
        ("unix:/run/cmpd.sock", ("/run/cmpd.sock", 0)),
    ],
)
def test_addresses(address: str, expected: object) -> None:
    assert split_address(address) == expected
