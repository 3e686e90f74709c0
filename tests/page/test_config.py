"""A page that others can reach is served only with a word to log in or a proxy that asks for one."""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path

import pytest

from detector.errors import ConfigError, MissingInputError
from detector.page.config import DEFAULTS, load_page_config, read_token
from detector.state_folder import state_folder


def written(path: Path, text: str) -> Path:
    file = path / "page.toml"
    file.write_text(text)
    return file


def test_it_needs_no_file() -> None:
    config = load_page_config(None)
    assert (config.server.host, config.server.port) == ("127.0.0.1", 8765)
    targets: dict[str, list[object]] = {"webhook": [], "mqtt": [], "mail": []}
    assert config.model_dump() == {**tomllib.loads(DEFAULTS.read_text()), **targets}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[server]\nhost = "0.0.0.0"', "anybody on the network could read and acknowledge; set token_file"),
        ('[server]\nhost = "ward-pc"', "expected an IP address"),
        ("[server]\nprot = 1", "unknown key 'prot' in [server] (did you mean 'port'?)"),
        ("[alarm]", "unknown section [alarm] (did you mean 'alarms'?)"),
        ('[alarms]\nquiet = "22-6"', "expected two times of day"),
        ('[alarms]\ndead_priority = "urgent"', "'urgent'"),
        ("[alarms]\nescalate_s = 1.0", "greater than or equal to 10"),
        ("[storage]\ntrend_hours = 1", "greater than or equal to 24"),
        ('[review]\nfolder = "clips"', "expected an absolute path"),
    ],
)
def test_what_is_wrong_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_page_config(written(tmp_path, text))
    with pytest.raises(MissingInputError):
        load_page_config(tmp_path / "none.toml")


def test_clips_are_looked_for_where_whoever_serves_the_page_keeps_them_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert load_page_config(None).review.root() == state_folder() == tmp_path / "seizure-detector"
    assert load_page_config(written(tmp_path, '[review]\nfolder = "off"')).review.root() is None
    assert load_page_config(written(tmp_path, '[review]\nfolder = "/a"')).review.root() == Path("/a")


@pytest.mark.parametrize("given", ['token_file = "/x"', 'trusted_proxy = "10.0.0.2"'])
def test_with_a_word_or_a_proxy_it_may_be_reached(tmp_path: Path, given: str) -> None:
    assert load_page_config(written(tmp_path, f'[server]\nhost = "0.0.0.0"\n{given}')).server.host == "0.0.0.0"


def test_the_word_is_long_and_nobody_elses(tmp_path: Path) -> None:
    token = tmp_path / "token"
    server = load_page_config(None, token_file=str(token)).server
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(server)
    token.write_text("x" * 15 + "\n")
    token.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        read_token(server)
    token.chmod(0o600)
    with pytest.raises(ConfigError, match="holds 15 characters; expected at least 16"):
        read_token(server)
    token.write_text("x" * 16 + "\n")
    assert read_token(server) == "x" * 16
    assert read_token(load_page_config(None).server) == ""


def test_a_credential_of_systemd_may_have_the_bit_of_its_access_control_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("x" * 16)
    token.chmod(0o440)
    server = load_page_config(None, token_file=str(token)).server
    with pytest.raises(ConfigError, match="can be read by others"):
        read_token(server)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_token(server) == "x" * 16
    token.chmod(0o444)
    with pytest.raises(ConfigError, match="can be read by others"):
        read_token(server)


@pytest.mark.parametrize(
    ("quiet", "hours"), [("", []), ("22:00-06:00", [22, 23, *range(6)]), ("13:00-15:00", [13, 14])]
)
def test_quiet_hours_may_go_over_midnight(tmp_path: Path, quiet: str, hours: list[int]) -> None:
    alarms = load_page_config(written(tmp_path, f'[alarms]\nquiet = "{quiet}"')).alarms
    assert sorted(hour for hour in range(24) if alarms.is_quiet(datetime.time(hour))) == sorted(hours)
