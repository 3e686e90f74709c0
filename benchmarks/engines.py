"""The two engines side by side: work a step, memory and time to ready; and what else was tried to make a step cheaper.

    python benchmarks/engines.py            # each engine in processes of its own, in turns
    python benchmarks/engines.py variants   # other light networks, and other ways to call this one

Both print Markdown. Processor time is the process's own, so that other load on the machine falsifies it little.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from figures import figure

from detector.config import Engine
from detector.decision import Decision
from detector.messages import Chunk, Features, FloatArray
from detector.network.bundle import LIGHT_FILE, load_bundle
from detector.network.engines import make_engine
from detector.pipeline import Conditioning, Pipeline, decision_config
from detector.source.synthetic import SyntheticConfig, SyntheticEeg

ENGINES: tuple[Engine, ...] = ("tensorflow", "litert")
READY, MEMORY = "start of a bed to READY, s", "memory of the bed when ready (resident), MB"
GOALS = {(READY, "litert"): 2.0, (READY, "tensorflow"): 8.0, (MEMORY, "litert"): 100.0, (MEMORY, "tensorflow"): 700.0}


def side_by_side(rounds: int) -> None:
    """Measure each engine several times, in turns, and print medians and ratios."""
    found: dict[str, list[dict[str, float]]] = {engine: [] for engine in ENGINES}
    for _ in range(rounds):
        for engine in ENGINES:
            child = subprocess.run(
                [sys.executable, __file__, "one", "--engine", engine], capture_output=True, text=True, check=True
            )
            found[engine].append(json.loads(child.stdout) | daemon(engine))
    print(f"{machine()}; median of {rounds} processes\n")
    print("| | TensorFlow | LiteRT | ratio |\n| --- | --- | --- | --- |")
    for what in found["litert"][0]:
        full, light = (statistics.median(one[what] for one in found[engine]) for engine in ENGINES)
        print(f"| {what} | {full:.4g} | {light:.4g} | {full / light:.1f} |")
        name, _, unit = what.rpartition(", ")
        for engine, value in zip(ENGINES, (full, light), strict=True):
            figure(f"{engine}: {name}", value, unit, at_most=GOALS.get((what, engine)))


def machine() -> str:
    """Return what was measured on."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "ai-edge-litert", "numpy"))
    return f"{psutil.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {libraries}"


def daemon(engine: Engine) -> dict[str, float]:
    """Start a bed that finds no stream; return its time to ready and its memory then."""
    with tempfile.TemporaryDirectory() as folder, closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as notified:
        config, address = Path(folder) / "bed.toml", f"{folder}/notify"
        notified.bind(address)
        notified.settimeout(120)
        name = f"bench-{uuid.uuid4().hex[:8]}"
        config.write_text(
            f'[bed]\nname = "{name}"\n[source]\nsource_id = "none-{name}"\n[model]\nengine = "{engine}"\n'
            '[journal]\npath = "off"\n'
        )
        began = time.perf_counter()
        bed = subprocess.Popen(
            [sys.executable, "-m", "detector", "run", "--config", str(config)],
            env={**os.environ, "NOTIFY_SOCKET": address, "STATE_DIRECTORY": folder},
            stderr=subprocess.DEVNULL,
        )
        try:
            while b"READY=1" not in notified.recv(4096):
                pass
            ready_s = time.perf_counter() - began
            process = psutil.Process(bed.pid)
            work_s = sum(process.cpu_times()[:2])
            memory = process.memory_full_info()
        finally:
            bed.terminate()
            bed.wait()
    return {
        READY: ready_s,
        "of that, processor time, s": work_s,
        MEMORY: memory.rss / 1e6,
        "of that, its own (unique), MB": memory.uss / 1e6,
    }


def one(engine: Engine) -> None:
    """Measure an engine in this process, and print the figures as JSON."""
    bundle = load_bundle()
    network = make_engine(bundle, engine)
    features = _features()
    live_us = _us_a_step(lambda: [network.process([step]) for step in features[:2000]], 2000)
    many_us = _us_a_step(lambda: network.process(features), len(features))
    eeg = SyntheticEeg(SyntheticConfig(duration_s=300))
    conditioning = Conditioning(bundle.card, eeg.description)
    pipeline = Pipeline(conditioning, network, Decision(decision_config(bundle.card)))
    chunks = [message for message in eeg.messages(chunk_samples=8) if isinstance(message, Chunk)]
    whole_us = _us_a_step(lambda: [list(pipeline.process(chunk)) for chunk in chunks], 597)
    figures = {
        "a step of the network, one at a time, µs": live_us,
        "a step of the network, many at a time, µs": many_us,
        "a step of the whole pipeline, chunks of 8 samples, µs": whole_us,
    }
    print(json.dumps(figures))


def _us_a_step(run: Callable[[], object], steps: int, times: int = 3) -> float:
    """Return the processor time of the fastest of some runs, for each step."""
    run()
    took = []
    for _ in range(times):
        began = time.process_time()
        run()
        took.append(time.process_time() - began)
    return min(took) / steps * 1e6


def _features() -> list[Features]:
    """Return an hour of features: those of five minutes with two seizures, twelve times with noise on them."""
    bundle = load_bundle()
    eeg = SyntheticEeg(SyntheticConfig(duration_s=300, seizures=((60, 100), (200, 230))))
    conditioning = Conditioning(bundle.card, eeg.description)
    once = [step for message in eeg.messages() for step in conditioning.process(message)]
    rng = np.random.default_rng(0)
    return [replace(f, values=f.values + _noise(rng, f.values.shape)) for _ in range(12) for f in once]


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return rng.normal(0, 0.2, shape).astype(np.float32)


def variants() -> None:
    """Measure what else could be run, or how else it could be called."""
    from ai_edge_litert.interpreter import OpResolverType

    from detector.network.keras_tensorflow import tf

    folder = load_bundle().folder
    values = np.stack([f.values for f in _features()])[:, None, None]
    expected = np.array([p.value for p in make_engine(load_bundle(), "tensorflow").process(_features())])
    plain = (folder / LIGHT_FILE).read_bytes()
    half = _converted(lambda c: setattr(c.target_spec, "supported_types", [tf.float16]), optimized=True)
    eighth = _converted(lambda _: None, optimized=True)
    without = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    print(f"{machine()}\n\n| | µs a step | file, kB | largest error in an hour |\n| --- | --- | --- | --- |")
    for name, data, options, call in (
        ("float32, XNNPACK, one thread, tensors set and got: **as it is**", plain, {}, _by_tensors),
        ("by the signature's runner", plain, {}, _by_runner),
        ("without XNNPACK", plain, {"experimental_op_resolver_type": without}, _by_tensors),
        ("two threads", plain, {"num_threads": 2}, _by_tensors),
        ("weights of 16 bits", half, {}, _by_tensors),
        ("weights of 8 bits", eighth, {}, _by_tensors),
        ("nothing computed: tensors set and got", plain, {}, _by_nothing),
    ):
        step = call(data, {"num_threads": 1, **options})
        us = _us_a_step(lambda step=step: _fold(step, values[:2000]), 2000)  # type: ignore[misc]
        error = "" if call is _by_nothing else f"{np.abs(_fold(step, values) - expected).max():.1e}"
        print(f"| {name} | {us:.1f} | {len(data) / 1e3:.0f} | {error} |")


_States = list[FloatArray]
_Step = Callable[[FloatArray, _States], tuple[FloatArray, _States]]


def _fold(step: _Step, values: FloatArray) -> FloatArray:
    states: _States = []
    answers = []
    for one_step in values:
        answer, states = step(one_step, states)
        answers.append(answer[0])
    return np.array(answers)


def _converted(change: Callable[[Any], None], *, optimized: bool) -> bytes:
    from detector.network.keras_tensorflow import keras, tf
    from detector.training.light import converter_of, quiet, step_of

    with quiet(), tempfile.TemporaryDirectory() as folder:
        model = keras.models.load_model(load_bundle().folder / "model.keras", compile=False, safe_mode=True)
        converter = converter_of(model, step_of(model), folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT] if optimized else []
        change(converter)
        return bytes(converter.convert())


def _by_tensors(data: bytes, options: dict[str, Any], *, invoke: bool = True) -> _Step:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, **options)
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner()
    inputs, outputs = runner.get_input_details(), runner.get_output_details()
    names = sorted((name for name in inputs if name != "features"), key=lambda name: int(name.split("_")[1]))
    into, out = [inputs[name]["index"] for name in names], [outputs[name]["index"] for name in names]
    zeros = [np.zeros(inputs[name]["shape"], np.float32) for name in names]

    def step(values: FloatArray, states: _States) -> tuple[FloatArray, _States]:
        interpreter.set_tensor(inputs["features"]["index"], values)
        for index, state in zip(into, states or zeros, strict=True):
            interpreter.set_tensor(index, state)
        if invoke:
            interpreter.invoke()
        return interpreter.get_tensor(outputs["answer"]["index"]), [interpreter.get_tensor(index) for index in out]

    return step


def _by_nothing(data: bytes, options: dict[str, Any]) -> _Step:
    return _by_tensors(data, options, invoke=False)


def _by_runner(data: bytes, options: dict[str, Any]) -> _Step:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, **options)
    runner = interpreter.get_signature_runner()
    shapes = {name: details["shape"] for name, details in runner.get_input_details().items() if name != "features"}
    names = sorted(shapes, key=lambda name: int(name.split("_")[1]))
    zeros = [np.zeros(shapes[name], np.float32) for name in names]

    def step(values: FloatArray, states: _States) -> tuple[FloatArray, _States]:
        out = runner(features=values, **dict(zip(names, states or zeros, strict=True)))
        return out["answer"], [out[name] for name in names]

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("both", "variants", "one"), default="both")
    parser.add_argument("--engine", choices=ENGINES, default="litert", help="of `one`")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.what == "one":
        one(given.engine)
    elif given.what == "variants":
        variants()
    else:
        side_by_side(given.rounds)


if __name__ == "__main__":
    main()
