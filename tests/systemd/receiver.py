"""A receiver of webhooks on another machine: tells the key of each that it takes in a line.

python -m tests.systemd.receiver ADDRESS PORT
"""

from __future__ import annotations

import signal
import sys

from tests.page.alerts.receiver import Post, Receiver


def main() -> None:
    """Take them until killed."""

    def take(post: Post) -> int:
        print(post.key, flush=True)
        return 204

    Receiver(address=(sys.argv[1], int(sys.argv[2]))).answer = take
    signal.pause()


if __name__ == "__main__":
    main()
