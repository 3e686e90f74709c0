"""A client on the network: writes what a bed publishes, and what its simulated amplifier truly does, as JSON lines.

python -m tests.systemd.listener BED SOURCE_ID
"""

from __future__ import annotations

import json
import sys
import time

from detector.client.lsl import BedClient, Marker
from detector.client.lsl_truth import TruthClient

_LOOK_S = 120


def main() -> None:
    bed, source_id = sys.argv[1:]
    truth = TruthClient(source_id, _LOOK_S)
    client = BedClient(bed, _LOOK_S)
    n_told = 0
    while True:
        told = truth.read()
        for _, text in told[n_told:]:
            _write("truth", text)
        n_told = len(told)
        for record in client.read():
            if isinstance(record, Marker):
                _write("marker", record.text)
            else:
                _write("status", record.state.label)


def _write(kind: str, said: str) -> None:
    print(json.dumps({"at_s": time.monotonic(), "kind": kind, "said": said}), flush=True)


if __name__ == "__main__":
    main()
