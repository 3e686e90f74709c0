"""A slow line between two interfaces: frames that come in at one leave at the other, later and not too many at once.

    python -m tests.faults.line NEAR FAR DELAY_S JITTER_S BYTES_PER_S

Kernels of small virtual machines have no ``tc netem``; this needs packet sockets only. It says ``ready`` and begins at
the end of its standard input. A frame waits for the line to be free (``BYTES_PER_S``; 0 is without limit), then for the
delay and a jitter that is evenly distributed; what has left never arrives before what left earlier, as TCP would take
that for a loss. What would wait for the line for longer than half a second is dropped, as a switch does.
"""

from __future__ import annotations

import heapq
import itertools
import random
import select
import socket
import sys
import time

_SOL_PACKET, _PACKET_VNET_HDR, _PACKET_IGNORE_OUTGOING = 263, 15, 23
_ETH_P_ALL = 3
_MOST = 65536 + 64
_QUEUE_S = 0.5


class _Way:
    """One direction."""

    def __init__(self, out: socket.socket, delay_s: float, jitter_s: float, bytes_per_s: float) -> None:
        self.out, self._delay_s, self._jitter_s, self._bytes_per_s = out, delay_s, jitter_s, bytes_per_s
        self._free_s = self._last_s = 0.0
        self._random = random.Random(1)

    def due_s(self, size: int, now_s: float) -> float | None:
        """Return when a frame that comes now arrives; ``None`` where the queue is full."""
        free_s = max(self._free_s, now_s)
        if self._bytes_per_s:
            if free_s - now_s > _QUEUE_S:
                return None
            free_s += size / self._bytes_per_s
        self._free_s = free_s
        self._last_s = max(self._last_s, free_s + self._delay_s + self._random.uniform(0, self._jitter_s))
        return self._last_s


def _open(interface: str) -> socket.socket:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    # With the header, a frame keeps what its sender left to the hardware: checksums and segmentation.
    end.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    end.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    end.bind((interface, _ETH_P_ALL))
    return end


def carry(near: str, far: str, delay_s: float, jitter_s: float, bytes_per_s: float) -> None:
    """Say that it is ready, and carry frames from the end of the standard input until killed."""
    print("ready", flush=True)
    sys.stdin.read()
    ends = _open(near), _open(far)
    ways = {
        ends[0]: _Way(ends[1], delay_s, jitter_s, bytes_per_s),
        ends[1]: _Way(ends[0], delay_s, jitter_s, bytes_per_s),
    }
    waiting: list[tuple[float, int, socket.socket, bytes]] = []
    numbers = itertools.count()
    while True:
        timeout_s = max(waiting[0][0] - time.monotonic(), 0.0) if waiting else None
        ready, _, _ = select.select(ends, (), (), timeout_s)
        now_s = time.monotonic()
        for end in ready:
            frame = end.recv(_MOST)
            due_s = ways[end].due_s(len(frame), now_s)
            if due_s is not None:
                heapq.heappush(waiting, (due_s, next(numbers), ways[end].out, frame))
        while waiting and waiting[0][0] <= now_s:
            waiting[0][2].send(waiting[0][3])
            heapq.heappop(waiting)


if __name__ == "__main__":
    carry(sys.argv[1], sys.argv[2], *(float(text) for text in sys.argv[3:6]))
