"""The command line: exit codes, what is said when something is wrong, and a quick start."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pylsl
import pytest

from detector.cli import commands, main
from detector.errors import BadDataError, NoStreamError
from tests.bundles import make_bundle
from tests.live import amplifier
from tests.synthetic_edf import run_program

# Keras, when it saves the bundle that is tested with.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HEAVY = (
    "tensorflow", "keras", "pylsl", "scipy", "numpy", "edfio", "rich", "pydantic", "matplotlib", "timescoring",
    "prometheus_client",
)  # fmt: skip
BED = '[bed]\nname = "bed"\n[source]\nsource_id = "amp"\n'


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(autouse=True)
def _same_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def code_of(*arguments: str | Path) -> object:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return left.value.code


def heavy_modules(script: str) -> list[str]:
    """Run a script and return which of the heavy modules it has imported."""
    tell = f"import sys\nprint('|', *[name for name in {HEAVY} if name in sys.modules])"
    code = f"try:\n    {script}\nexcept SystemExit:\n    pass\n{tell}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.rpartition("|")[2].split()


@pytest.mark.parametrize(
    "script",
    [
        "import detector",
        "import detector.cli; detector.cli.main(['--help'])",
        "import detector.cli; detector.cli.main(['--version'])",
        *(f"import detector.cli; detector.cli.main(['{name}', '--help'])" for name in commands.commands),
    ],
)
def test_the_package_and_its_help_import_nothing_heavy(script: str) -> None:
    assert heavy_modules(script) == []


def test_heavy_modules_would_be_seen() -> None:
    assert heavy_modules("import detector.pipeline") == ["numpy", "pydantic"]


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_come_in_well_under_a_second(option: str) -> None:
    def run() -> float:
        began = time.monotonic()
        done = run_program(option)
        assert done.returncode == 0
        assert "seizure-detector" in done.stdout
        assert done.stderr == ""
        return time.monotonic() - began

    assert min(run() for _ in range(3)) < 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["detekt"], "detekt"),
        (["score"], "RECORDINGS"),
        (["score", "--no-such-option", "a.edf"], "--no-such-option"),
        (["run"], "--config"),
        (["demo", "--speed", "99"], "--speed"),
        (["demo", "--speed", "nan"], "not a finite number"),
        (["discover", "--timeout", "0"], "--timeout"),
        (["discover", "--timeout", "inf"], "not a finite number"),
        (["watch", "--bed", "no bed"], "'no bed' cannot be a bed"),
        (["simulate"], "--source-id"),
        (["simulate", "--source-id", "x", "--speed", "0"], "--speed"),
        (["simulate", "--source-id", "x", "--duration", "nan"], "not a finite number"),
        (["simulate", "--source-id", "x", "--chunk", "0"], "--chunk"),
        (["simulate", "--source-id", "x", "--seed", "-1"], "--seed"),
        (["simulate", "--source-id", "x", "--unit", "uV"], "synthetic EEG has no unit to choose"),
        (["simulate", "a.edf", "--source-id", "x", "--seizure", "1:2"], "a recording has no seizures to choose"),
        (["simulate", "a.txt", "--source-id", "x"], "'.txt'"),
        *(
            (["simulate", "--source-id", "x", "--seizure", text], f"--seizure {text!r}: expected START:END")
            for text in ("soon", "5", "9:5", "1:2:3", "nan:5", "5:nan", "-3:4", "1:inf", "")
        ),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert code_of(*arguments) == 64
    assert said in capfd.readouterr().err


def test_a_usage_error_is_the_exit_code_of_the_process() -> None:
    done = run_program("simulate", "--source-id", "x", "--seizure", "soon")
    assert done.returncode == 64
    assert done.stderr.strip() == (
        "seizure-detector: --seizure 'soon': expected START:END in seconds, for example 30:50"
    )


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (None, 66, "cannot read the configuration"),
        ("[bed\n", 78, "bed.toml: "),
        (BED + "[decision]\nonset_treshold = 0.5\n", 78, "'onset_treshold' in [decision] (did you mean 'onset_thres"),
        (BED + "[desision]\n", 78, "[desision] (did you mean 'decision'?)"),
        (BED + '[model]\nbundle = "chb-lstm-7"\n', 78, "'chb-lstm-7' is not there"),
        ('[bed]\nname = "bed"\n', 78, "no stream is named"),
    ],
)
@pytest.mark.parametrize("check", [["--check"], []])
def test_a_wrong_configuration_is_refused_at_the_door(
    tmp_path: Path, text: str | None, code: int, said: str, check: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bed.toml"
    if text is not None:
        path.write_text(text)
    assert code_of("run", "--config", path, *check) == code
    err = capfd.readouterr().err
    assert said in err
    assert "bed.toml" in err or "chb-lstm-7" in err
    assert "Traceback" not in err


def test_check_says_that_all_is_well_and_leaves_nothing_behind(
    tmp_path: Path, bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    name = uuid.uuid4().hex[:8]
    config = tmp_path / "bed.toml"
    config.write_text(f'[bed]\nname = "{name}"\n[source]\nsource_id = "amp"\n[model]\nbundle = "{bundle}"\n')
    assert code_of("run", "--config", config, "--check") == 0
    assert f"bed {name}, model {bundle}: all is well" in capfd.readouterr().out
    assert pylsl.resolve_byprop("source_id", f"seizure-detector:{name}:status", 1, 0.3) == []


@pytest.mark.parametrize("check", [(), ("--check",)])
def test_a_configuration_that_everybody_may_change_is_not_run(
    check: tuple[str, ...], tmp_path: Path, bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "bed.toml"
    config.write_text(BED + f'[model]\nbundle = "{bundle}"\n')
    config.chmod(0o666)
    assert code_of("run", "--config", config, *check) == 78
    assert "may be written by everybody (mode 0666): chmod o-w" in capfd.readouterr().err


def test_check_refuses_two_beds_of_one_source(tmp_path: Path, bundle: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("bed", "other"):
        (tmp_path / f"{name}.toml").write_text(BED + f'[model]\nbundle = "{bundle}"\n')
    assert code_of("run", "--config", tmp_path / "bed.toml", "--check") == 78
    assert "other.toml" in capfd.readouterr().err


def test_check_opens_the_outlets(
    tmp_path: Path, bundle: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_identity: object) -> None:
        raise BadDataError("no port is free")

    config = tmp_path / "bed.toml"
    config.write_text(BED + f'[model]\nbundle = "{bundle}"\n')
    monkeypatch.setattr("detector.service.LslOutlets", refuse)
    assert code_of("run", "--config", config, "--check") == 65
    out, err = capfd.readouterr()
    assert "all is well" not in out
    assert "no port is free" in err


def test_discover_and_watch_say_when_there_is_nothing(bundle: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert code_of("discover", "--timeout", "0.3", "--bundle", bundle) == 69
    assert "no LSL stream answered in 0.3 s" in capfd.readouterr().err
    assert code_of("watch", "--timeout", "0.3") == 69
    assert "Is the detector running" in capfd.readouterr().err


def test_discover_says_what_fits_and_why_the_rest_does_not(
    bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    fitting, other = (uuid.uuid4().hex[:8] for _ in range(2))
    script = (
        "from detector.source.lsl_simulator import simulate\n"
        "from detector.source.synthetic import SyntheticConfig, SyntheticEeg\n"
        "import threading\n"
        "def push(source_id, **config):\n"
        "    eeg = SyntheticEeg(SyntheticConfig(600.0, **config))\n"
        "    simulate(eeg, name=f'amp-{source_id}', source_id=source_id, stop=lambda: False, markers=False)\n"
        f"threading.Thread(target=push, args=({other!r},), kwargs=dict(labels=('FP1-F7', 'F7-T7'))).start()\n"
        f"push({fitting!r})\n"
    )
    with amplifier(script):
        for source_id in (fitting, other):
            assert pylsl.resolve_byprop("source_id", source_id, 1, 20)
        assert code_of("discover", "--timeout", "1", "--bundle", bundle) == 0
    shown = capfd.readouterr().out
    fits, does_not = (next(row for row in re.split("[├┡].*[┤┩]", shown) if id_ in row) for id_ in (fitting, other))
    assert re.search(r"│ yes +│", fits)
    assert re.search(r"256 +│ 22 float32", fits)
    assert "measured 2" in fits
    assert "microvolts" in fits
    assert not re.search(r"│ yes +│", does_not)
    assert re.search("│ no: montage chb-mit-22 needs at least 16 of its 22", does_not)
    assert "P7-O1" in does_not


def test_an_interrupt_while_looking_for_the_bed_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_bed: object, _timeout_s: float, keep_waiting: Callable[[], bool]) -> None:
        assert keep_waiting()
        os.kill(os.getpid(), signal.SIGINT)
        assert not keep_waiting()
        raise NoStreamError("nothing in time")

    monkeypatch.setattr("detector.client.lsl.BedClient", interrupted)
    assert code_of("watch") == 0
    assert capfd.readouterr().err == ""


def test_an_internal_error_is_code_70_with_its_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = (
        "import detector.score_command as command, detector.cli as cli\n"
        "command.score_recordings = lambda *a, **k: [][1]\n"
        "cli.main(['score', 'a.edf'])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert "internal error" in done.stderr
    assert "IndexError" in done.stderr


def test_what_was_loaded_is_not_looked_through_for_garbage_while_a_bed_is_watched(tmp_path: Path) -> None:
    config = tmp_path / "bed.toml"
    config.write_text('[bed]\nname = "b"\n[source]\nsource_id = "x"\n')
    script = (
        "import gc, detector.service as service, detector.cli as cli\n"
        "service.Service.run = lambda self: print(gc.get_freeze_count(), len(gc.get_objects()), flush=True)\n"
        f"cli.main(['run', '--config', {str(config)!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    frozen, others = map(int, done.stdout.split())
    assert frozen > 50 * others


def test_simulate_ends_with_what_it_simulates(tmp_path: Path) -> None:
    done = run_program("simulate", "--source-id", "x", "--duration", "1", "--speed", "20")
    assert done.returncode == 0
    assert "streaming 1 s as 'simulated-amplifier', source_id 'x'" in done.stderr
