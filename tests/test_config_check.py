"""Files that anybody may change, or that contradict one another, are refused by name."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.config import Config, Health, Source, load_config, make_config
from detector.config_check import _same, check_files, check_health_port
from detector.errors import ConfigError
from detector.health import Health as Answering
from tests.live import free_port, until


def write(path: Path, bed: str, source: str, more: str = "") -> Config:
    path.write_text(f'[bed]\nname = "{bed}"\n[source]\n{source}\n{more}', encoding="utf-8")
    return load_config(path)


def refused(path: Path, config: Config) -> str:
    with pytest.raises(ConfigError) as raised:
        check_files(path, config)
    return str(raised.value)


def test_beds_that_have_nothing_in_common_are_accepted(tmp_path: Path) -> None:
    one = write(tmp_path / "bed1.toml", "bed1", 'source_id = "amp-1"', "[health]\nport = 9471\n")
    write(tmp_path / "bed2.toml", "bed2", 'source_id = "amp-2"', "[health]\nport = 9472\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "broken.toml").write_text("[bed\n")
    (tmp_path / "gone.toml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "same.toml").symlink_to(tmp_path / "bed1.toml")
    (tmp_path / "bed1.toml.orig").write_text((tmp_path / "bed1.toml").read_text())
    check_files(tmp_path / "bed1.toml", one)


def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bed1.toml"
    config = write(path, "bed1", 'source_id = "amp-1"')
    path.chmod(0o646)
    assert refused(path, config) == f"{path} may be written by everybody (mode 0646): chmod o-w {path}"
    path.chmod(0o664)
    check_files(path, config)


def test_so_is_one_in_a_folder_in_which_everybody_may_put_another(tmp_path: Path) -> None:
    folder = tmp_path / "beds"
    folder.mkdir()
    path = folder / "bed1.toml"
    config = write(path, "bed1", 'source_id = "amp-1"')
    folder.chmod(0o777)
    assert f"chmod o-w {folder}" in refused(path, config)
    folder.chmod(0o1777)  # as /tmp is
    check_files(path, config)


def test_another_file_of_the_same_bed_is_refused(tmp_path: Path) -> None:
    config = write(tmp_path / "bed1.toml", "bed1", 'source_id = "amp-1"')
    write(tmp_path / "copy.toml", "bed1", 'source_id = "amp-2"')
    assert f"{tmp_path / 'copy.toml'} names the bed 'bed1', too" in refused(tmp_path / "bed1.toml", config)


def test_another_bed_with_the_same_source_is_refused(tmp_path: Path) -> None:
    config = write(tmp_path / "bed1.toml", "bed1", 'source_id = "amp-1"\nhostname = "cart"')
    write(tmp_path / "bed2.toml", "bed2", 'source_id = "amp-1"')
    said = refused(tmp_path / "bed1.toml", config)
    assert f"{tmp_path / 'bed2.toml'} (bed 'bed2') watches the same source_id 'amp-1', too" in said
    write(tmp_path / "bed2.toml", "bed2", 'source_id = "amp-1"\nhostname = "other"')
    check_files(tmp_path / "bed1.toml", config)


@pytest.mark.parametrize(("host", "is_same"), [("127.0.0.1", True), ("0.0.0.0", True), ("192.0.2.9", False)])
def test_another_bed_at_the_same_port_is_refused(tmp_path: Path, host: str, is_same: bool) -> None:
    config = write(tmp_path / "bed1.toml", "bed1", 'source_id = "amp-1"', "[health]\nport = 9471\n")
    write(tmp_path / "bed2.toml", "bed2", 'source_id = "amp-2"', f'[health]\nport = 9471\nhost = "{host}"\n')
    if is_same:
        assert "has [health] port 9471, too" in refused(tmp_path / "bed1.toml", config)
    else:
        check_files(tmp_path / "bed1.toml", config)


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    config = write(tmp_path / "bed1.toml", "bed1", 'source_id = "amp-1"')
    write(tmp_path / "bed2.toml", "bed2", 'source_id = "amp-1"')
    write(tmp_path / "bed3.toml", "bed1", 'source_id = "amp-3"')
    (tmp_path / "bed1.toml").chmod(0o666)
    said = refused(tmp_path / "bed1.toml", config)
    assert [said.count(text) for text in ("chmod", "bed2.toml", "bed3.toml")] == [1, 1, 1]


texts = st.sampled_from(["", "a", "b"])


def source(source_id: str, name: str, predicate: str, hostname: str) -> Source:
    base = make_config({"bed": {"name": "x"}, "source": {"source_id": "x"}}).source
    changes = {"source_id": source_id, "name": name, "predicate": predicate, "hostname": hostname}
    return base.model_copy(update=changes)


sources = st.builds(source, texts, texts, texts, texts)


@given(sources, sources)
def test_two_are_the_same_only_where_they_agree_on_something_and_differ_in_nothing(
    ours: Source, theirs: Source
) -> None:
    assert bool(_same(ours, theirs)) == bool(_same(theirs, ours))
    keys = ("source_id", "name", "predicate")
    agree = any(getattr(ours, key) and getattr(ours, key) == getattr(theirs, key) for key in keys)
    pairs = [(getattr(ours, key), getattr(theirs, key)) for key in (*keys, "hostname")]
    differ = any(our and their and our != their for our, their in pairs)
    assert bool(_same(ours, theirs)) == (agree and not differ)


def at(port: int, bed: str = "bed1", host: str = "127.0.0.1") -> Config:
    given = {"bed": {"name": bed}, "source": {"source_id": "amp"}, "health": {"port": port, "host": host}}
    return make_config(given)


def test_a_port_that_is_free_or_not_wanted_is_accepted() -> None:
    assert check_health_port(at(0)) == ""
    assert check_health_port(at(free_port())) == ""


def test_the_beds_own_daemon_may_have_it_already_and_another_one_may_not() -> None:
    port = free_port()
    health = Answering(Health(host="127.0.0.1", port=port), "bed1")
    try:
        until(lambda: not is_free(port), 5, "it listens")
        assert check_health_port(at(port)) == "the daemon of bed1 answers there"
        with pytest.raises(ConfigError, match=rf"\[health\] 127.0.0.1:{port} cannot be listened at"):
            check_health_port(at(port, "bed2"))
    finally:
        health.close()


def is_free(port: int) -> bool:
    with closing(socket.socket()) as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.0 200 OK\r\n\r\n[1]", b"HTTP/1.0 200 OK\r\n\r\n{", json.dumps({}).encode()]
)
def test_whatever_else_listens_there_is_somebody_else(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        other.settimeout(5)

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ConfigError, match="expected a port of its own"):
            check_health_port(at(port))
        thread.join(5)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match="an address of this machine"):
        check_health_port(at(free_port(), host="203.0.113.7"))
