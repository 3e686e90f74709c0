"""Instructions that a fixed run takes, beside the recorded ones: fails where it takes a tenth more.

    python benchmarks/instructions.py            # compare
    python benchmarks/instructions.py --record   # write the figures of this code down, with a commit that says why

Conditioning, network and decision of the default bundle are run, with LiteRT, on a fixed signal under valgrind, once
in live chunks and once in long ones. A count of instructions knows no other load, and valgrind shows every processor
with AVX2 as the same one, so that libraries choose the same code everywhere. Other versions of Python, NumPy or LiteRT
have other counts, and so has another build of the same version, which a piece of fixed work that is none of ours, the
anchor, shows: there nothing is compared, and that is said.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # this code, whatever is installed

import numpy as np

RECORDED = Path(__file__).with_suffix(".json")
MOST = 1.10  # times the recorded instructions
_MOST_ANCHOR = 1.03
_MARK = "getloadavg"  # of the C library, and called by nobody else: before each call valgrind writes its count down
_RATE_HZ, _SECONDS = 256, 40
_LIVE, _LONG = 8, 4096
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell", "LC_ALL": "C"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        fixed_run()
        return 0
    if why_not := cannot():
        print(f"NOT MEASURED: {why_not}")
        return 0
    found = counted()
    for what, instructions in found.items():
        print(f"{what}: {instructions:,} instructions")
    if given.record:
        RECORDED.write_text(
            json.dumps({"with": surroundings(), "instructions": found}, indent=1) + "\n", encoding="utf-8"
        )
        return 0
    return compare(found, json.loads(RECORDED.read_text(encoding="utf-8")))


def compare(found: dict[str, int], recorded: dict[str, Any]) -> int:
    """Return 1 where a run takes too many instructions."""
    if recorded["with"] != surroundings():
        print(f"NOT COMPARED: recorded with {recorded['with']}, here is {surroundings()}; record them anew (--record)")
        return 0
    before = recorded["instructions"]
    ratios = {what: found[what] / before[what] for what in before}
    anchor = ratios.pop("anchor")
    print(", ".join(f"{what} {ratio:.3f} times the recorded" for what, ratio in {"anchor": anchor, **ratios}.items()))
    if not 1 / _MOST_ANCHOR < anchor < _MOST_ANCHOR:
        print("NOT COMPARED: the anchor, which is none of our code, has another count: libraries or processor differ")
        return 0
    too_many = [what for what, ratio in ratios.items() if ratio > MOST]
    for what in too_many:
        print(
            f"FAILED: {what} takes {ratios[what]:.3f} times the recorded instructions, expected {MOST:g} times at most"
        )
    if any(ratio < 1 / MOST for ratio in ratios.values()):
        print("it takes fewer: record them (--record), so that they stay as few")
    return 1 if too_many else 0


def cannot() -> str:
    """Return why nothing can be measured here; empty where it can."""
    if shutil.which("valgrind") is None:
        return "valgrind is not installed"
    cpu = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not cpu.exists() or " avx2 " not in cpu.read_text(encoding="utf-8"):
        return "the figures are those of x86-64 with AVX2"
    return ""


def surroundings() -> dict[str, str]:
    """Return the versions that the counts depend on; a last number that differs mends mistakes and changes no count."""
    names = {name: version(name) for name in ("numpy", "ai-edge-litert")}
    return {
        name: ".".join(text.split(".")[:2]) for name, text in {"python": platform.python_version(), **names}.items()
    }


def counted() -> dict[str, int]:
    """Return the instructions of each part of the fixed run, by valgrind."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        subprocess.run(
            [
                *("valgrind", "--tool=callgrind", f"--dump-before={_MARK}", f"--callgrind-out-file={out}"),
                *(sys.executable, __file__, "--child"),
            ],
            env=os.environ | _ENVIRONMENT,
            check=True,
            stderr=subprocess.PIPE,
        )
        # .1 is everything before the first mark, and what has no number everything behind the last.
        parts = [part.read_text(encoding="utf-8") for part in sorted(out.parent.glob("callgrind.out.*"), key=_number)]
    totals = [int(found) for part in parts for found in re.findall(r"^totals: (\d+)", part, re.MULTILINE)]
    return dict(zip(("anchor", "live", "long"), totals[1:], strict=True))


def _number(part: Path) -> int:
    return int(part.suffix[1:])


def fixed_run() -> None:
    """Run each part between two marks; everything that is loaded or made once is there before."""
    from detector.decision import Decision
    from detector.messages import Chunk, Description
    from detector.network.bundle import load_bundle
    from detector.network.litert import LiteRt
    from detector.pipeline import Conditioning, Pipeline, decision_config

    bundle = load_bundle()
    labels = bundle.card.derivations
    n = len(labels)
    description = Description(labels, float(_RATE_HZ), (1.0,) * n, ("microvolts",) * n)
    pipeline = Pipeline(Conditioning(bundle.card, description), LiteRt(bundle), Decision(decision_config(bundle.card)))
    samples = np.random.default_rng(0).normal(0, 30, (_SECONDS * _RATE_HZ, n)).astype(np.float32)
    stamps = np.arange(len(samples)) / _RATE_HZ

    def run(chunk: int) -> None:
        pipeline.reset()
        for start in range(0, len(samples), chunk):
            for _ in pipeline.process(Chunk(samples[start : start + chunk], stamps[start : start + chunk])):
                pass

    mark = os.getloadavg
    run(_LONG)  # what is made at first use is no part of it
    anchor(samples)
    mark()
    anchor(samples)
    mark()
    run(_LIVE)
    mark()
    run(_LONG)
    mark()


def anchor(samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    """Do what the pipeline's work consists of, in a way that never changes."""
    weights = samples[:64, :].T.copy()
    for start in range(0, 2560, 64):
        block = samples[start : start + 64]
        product = weights @ block
        np.maximum(product, block.mean(axis=0), out=product)
        [str(value) for value in range(200)]


if __name__ == "__main__":
    sys.exit(main())
