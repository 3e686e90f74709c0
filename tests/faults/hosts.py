"""Machines on a made-up network: each a network and a hostname of its own, with a cable to one switch.

They are held by a process each and have no names outside, so that runs side by side do not meet, and all of it is gone
with the test's process, however that ends.
"""

from __future__ import annotations

import configparser
import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

_TOOLS = ("unshare", "hostname", "ip", "nft")
_NET = "10.77.0"
_TRY = (
    "ip link add type veth && ip link add type bridge && "
    "nft 'add table t; add chain t c; add rule t c numgen random mod 100 < 1 counter drop'"
)
_HOLD = 'hostname "$0" && echo held && exec cat'  # until the other end of its pipe is gone
_KINDS = {"net": 0x40000000, "uts": 0x04000000}  # CLONE_NEWNET, CLONE_NEWUTS of linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)


@cache
def missing() -> str:
    """Return why there can be no such network here; empty where it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    if absent := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        return f"{', '.join(absent)} not installed (Debian: util-linux hostname iproute2 nftables)"
    tried = subprocess.run(["unshare", "--net", "--uts", "sh", "-c", _TRY], capture_output=True, text=True)
    return f"no made-up network here: {tried.stderr.strip()}" if tried.returncode else ""


class Namespace:
    """A network and a hostname."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--uts", "--", "sh", "-c", _HOLD, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"held\n"
        self.pid = self._holder.pid
        self.run("ip", "link", "set", "lo", "up")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Have this thread in here, and all processes, threads and sockets that it begins."""
        with ExitStack() as stack:
            for kind, flag in _KINDS.items():
                ours = stack.enter_context(Path(f"/proc/thread-self/ns/{kind}").open("rb"))
                stack.callback(_enter, ours.fileno(), flag)
                with Path(f"/proc/{self.pid}/ns/{kind}").open("rb") as theirs:
                    _enter(theirs.fileno(), flag)
            yield

    def run(self, *command: str) -> str:
        """Run a command in here and return what it says; it must succeed."""
        with self.entered():
            done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def close(self) -> None:
        """Let go; the kernel takes it down once its last process has ended."""
        self._holder.communicate()


class Host(Namespace):
    """A machine with one cable to the switch.

    Parameters
    ----------
    name
        Its hostname.
    number
        The last part of its address; from 1.
    switch
        What it is plugged into.
    """

    def __init__(self, name: str, number: int, switch: Namespace) -> None:
        super().__init__(name)
        self._switch, self.number, self._port = switch, number, f"port{number}"
        self._plug_in()

    def _plug_in(self) -> None:
        peer = ("peer", "name", "eth0", "netns", str(self.pid))
        self._switch.run("ip", "link", "add", self._port, "type", "veth", *peer)
        self._switch.run("ip", "link", "set", self._port, "master", "switch", "up")
        self.move_to(f"{_NET}.{self.number}")

    def move_to(self, address: str) -> None:
        """Give it this address and no other."""
        self.address = address
        self.run("ip", "addr", "flush", "dev", "eth0")
        self.run("ip", "addr", "add", f"{address}/24", "broadcast", f"{_NET}.255", "dev", "eth0")
        # Frames of a size that a real line carries: its queue is counted in them.
        self.run("ip", "link", "set", "eth0", "gso_max_segs", "1", "up")
        self.run("ip", "route", "replace", "224.0.0.0/4", "dev", "eth0")

    @contextmanager
    def moved_to(self, number: int) -> Iterator[None]:
        """Have the address that ends in this number for as long as this lasts."""
        before = self.address
        self.move_to(f"{_NET}.{number}")
        try:
            yield
        finally:
            self.move_to(before)

    def swap_interface(self) -> None:
        """Take the network interface out and put another one in."""
        self._switch.run("ip", "link", "delete", self._port)
        self._plug_in()

    def close(self) -> None:
        """End it without a word to anybody, as when its power is cut; what runs on it must have been killed."""
        self._switch.run("ip", "link", "delete", self._port)
        super().close()

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """Have the cable out for as long as this lasts."""
        self._switch.run("ip", "link", "set", self._port, "down")
        try:
            yield
        finally:
            self._switch.run("ip", "link", "set", self._port, "up")

    @contextmanager
    def dropping(self, *what: str) -> Iterator[None]:
        """Drop packets in and out that match one of these nftables expressions; an empty one matches all.

        The loopback is left alone.
        """
        table = "add table inet fault\n"
        for chain, end in (("input", "iifname"), ("output", "oifname")):
            table += f"add chain inet fault {chain} {{ type filter hook {chain} priority 0; }}\n"
            table += f'add rule inet fault {chain} {end} "lo" accept\n'
            table += "".join(f"add rule inet fault {chain} {one} counter drop\n" for one in what)
        self.run("nft", table)
        try:
            yield
        finally:
            self.run("nft", "delete table inet fault")

    def dropped(self) -> int:
        """Return how many packets `dropping` has dropped so far."""
        words = self.run("nft", "list table inet fault").split()
        return sum(int(words[i + 1]) for i, word in enumerate(words) if word == "packets")

    @contextmanager
    def behind_a_line(self, *, delay_s: float = 0.0, jitter_s: float = 0.0, bytes_per_s: float = 0.0) -> Iterator[None]:
        """Be behind a line that is slow, see `tests.faults.line`."""
        near, far = f"{self._port}-near", f"{self._port}-far"
        switch = self._switch
        switch.run("ip", "link", "add", near, "type", "veth", "peer", "name", far)
        switch.run("ip", "link", "set", near, "up")
        switch.run("ip", "link", "set", far, "master", "switch", "up")
        command = [sys.executable, "-m", "tests.faults.line", self._port, near]
        command += [str(value) for value in (delay_s, jitter_s, bytes_per_s)]
        with switch.entered():
            line = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert line.stdin is not None
        assert line.stdout is not None
        try:
            assert line.stdout.readline() == b"ready\n"
            switch.run("ip", "link", "set", self._port, "nomaster")
            line.stdin.close()
            yield
            assert line.poll() is None, "the line broke"
        finally:
            line.kill()
            line.wait()
            line.stdout.close()
            switch.run("ip", "link", "delete", near)
            switch.run("ip", "link", "set", self._port, "master", "switch")


class Network:
    """A switch, and the machines that are plugged into it."""

    def __init__(self) -> None:
        self._switch = Namespace("switch")
        # Without snooping: no router asks who wants which group, and what nobody has asked for goes everywhere.
        self._switch.run("ip", "link", "add", "switch", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0")
        self._switch.run("ip", "link", "set", "switch", "up")

    def host(self, name: str, number: int) -> Host:
        """Return a new machine, of the address that ends in this number."""
        return Host(name, number, self._switch)

    def close(self) -> None:
        """Take the switch away; the machines are closed by whoever has them."""
        self._switch.close()


def write_lsl_configuration(path: Path, *known_peers: Host) -> None:
    """Write one for programs on such a network: they are in the LSL session of this process and ask the whole network.

    Parameters
    ----------
    path
        Of the file.
    known_peers
        Machines that are asked by their address, too.
    """
    config = configparser.ConfigParser()
    config.optionxform = str  # type: ignore[assignment,method-assign]
    config.read(os.environ["LSLAPICFG"])
    config["multicast"]["ResolveScope"] = "site"
    config["lab"]["KnownPeers"] = "{" + ", ".join(host.address for host in known_peers) + "}"
    with path.open("w") as file:
        config.write(file)


def service_ports() -> str:
    """Return the range of LSL's own ports, those of time synchronisation among them, as nftables writes it."""
    config = configparser.ConfigParser()
    config.read(os.environ["LSLAPICFG"])
    first = config.getint("ports", "BasePort")
    return f"{first}-{first + config.getint('ports', 'PortRange') - 1}"


def _enter(descriptor: int, kind: int) -> None:
    if _libc.setns(descriptor, kind) != 0:
        raise OSError(ctypes.get_errno(), "setns")
