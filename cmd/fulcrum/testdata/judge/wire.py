"""The director's wires: named pipes in pcap format, which DPDK's net_pcap driver takes for capture files.

The driver reads a pipe as it reads a file, so that a worker which finds a pipe empty waits there. That puts judge and director in step, and
a run depends on its seed alone: the judge always writes a whole burst to both wires, filled up with frames that are dropped by name, and
ends it with a fence, an echo request to the director. Once the fence is answered, everything before it has been decided. Nothing here
waits for time to pass, but for the one deadline that a stuck director meets.
"""

import fcntl
import os
import select
import struct
import time

MAGIC = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
RECORD = struct.Struct("<IIII")
F_SETPIPE_SZ = 1031
PIPE_SIZE = 1 << 20
PATIENCE = 20  # seconds
LAG = 3  # bursts that are under way at a time; with fewer, a worker that waits for one wire would keep the other's answers


class Recording:
    """A capture file, for tshark and for whoever looks into a failure."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(MAGIC)

    def add(self, frame):
        self.file.write(record(frame))

    def close(self):
        self.file.close()


def record(frame):
    return RECORD.pack(0, 0, len(frame), len(frame)) + frame


class Wire:
    """One port: a pipe to the director and one from it. In a VLAN, frames have its tag there, and none here or in the recordings."""

    def __init__(self, folder, name, filler, fence, fence_answered, vlan):
        self.tag = b"\x81\0" + vlan.to_bytes(2, "big") if vlan else b""
        self.name, self.filler, self.fence, self.fence_answered = name, filler, fence, fence_answered
        self.rx, self.tx = (os.path.join(folder, name + "-" + way) for way in ("rx", "tx"))
        os.mkfifo(self.rx)
        os.mkfifo(self.tx)
        self.sent, self.got = (Recording(os.path.join(folder, name + "-" + way + ".pcap")) for way in ("in", "out"))
        self.writer = os.open(self.rx, os.O_RDWR | os.O_NONBLOCK)  # read-write does not wait for the other side
        self.reader = os.open(self.tx, os.O_RDONLY | os.O_NONBLOCK)
        for pipe in (self.writer, self.reader):
            fcntl.fcntl(pipe, F_SETPIPE_SZ, PIPE_SIZE)
        self.unwritten, self.unread = MAGIC, b""
        self.header_seen = False
        self.fences = 0  # answered

    def device(self, number):
        return f"net_pcap{number},rx_pcap={self.rx},tx_pcap={self.tx}"

    def queue(self, frames, size, number):
        """Takes a burst of fewer frames than its size; returns how many fillers it took."""
        fillers = size - 1 - len(frames)
        burst = frames + [self.filler] * fillers + [self.fence(number)]
        for frame in burst:
            self.sent.add(frame)
        self.unwritten += b"".join(record(frame[:12] + self.tag + frame[12:]) for frame in burst)
        return fillers

    def write(self):
        if not self.unwritten:
            return
        try:
            self.unwritten = self.unwritten[os.write(self.writer, self.unwritten):]
        except BlockingIOError:
            pass

    def read(self):
        """Returns the frames that have come."""
        try:
            self.unread += os.read(self.reader, PIPE_SIZE)
        except BlockingIOError:
            return []
        if not self.header_seen and len(self.unread) >= len(MAGIC):
            self.unread, self.header_seen = self.unread[len(MAGIC):], True
        return list(self.frames()) if self.header_seen else []

    def frames(self):
        while len(self.unread) >= RECORD.size:
            length = RECORD.unpack_from(self.unread)[2]
            if len(self.unread) < RECORD.size + length:
                return
            frame = self.unread[RECORD.size:RECORD.size + length]
            self.unread = self.unread[RECORD.size + length:]
            if frame[12:12 + len(self.tag)] != self.tag:
                raise Untagged(f"{self.name}: a frame that is not of VLAN {self.tag.hex()}: {frame.hex()}")
            frame = frame[:12] + frame[12 + len(self.tag):]
            self.got.add(frame)
            if self.fence_answered(frame):
                self.fences += 1
            else:
                yield frame

    def close(self):
        """Ends the director's input."""
        self.unwritten = b""
        os.close(self.writer)
        self.sent.close()

    def finish(self):
        os.close(self.reader)
        self.got.close()


class Untagged(Exception):
    """The director sent a frame without its port's tag."""


class Stuck(Exception):
    """The director does not take or answer packets."""


class Wires:
    """Both wires, burst by burst."""

    def __init__(self, wires, burst):
        self.wires, self.burst = wires, burst
        self.room = burst - 1
        self.rounds = 0
        self.fillers = 0

    def exchange(self, per_wire):
        """Sends one burst on each wire and returns what has come since, as (wire's number, frame)."""
        for wire, frames in zip(self.wires, per_wire):
            self.fillers += wire.queue(frames, self.burst, self.rounds)
        self.rounds += 1
        return self.until(lambda: all(not w.unwritten and w.fences >= self.rounds - LAG for w in self.wires))

    def settle(self):
        """Exchanges empty bursts until everything sent before has been answered."""
        came = []
        for _ in range(LAG + 1):
            came += self.exchange([[]] * len(self.wires))
        return came

    def until(self, done):
        came, end = [], time.monotonic() + PATIENCE
        while not done():
            self.wait(end)
            for number, wire in enumerate(self.wires):
                wire.write()
                came += [(number, frame) for frame in wire.read()]
        return came

    def wait(self, end):
        if time.monotonic() > end:
            state = ", ".join(f"{w.name}: {w.fences} of {self.rounds} bursts" for w in self.wires)
            raise Stuck(f"the director has not answered for {PATIENCE} s: {state}")
        writers = [w.writer for w in self.wires if w.unwritten]
        readable, _, _ = select.select([w.reader for w in self.wires], writers, [], 0.2)
        if not readable:
            time.sleep(0.001)  # a pipe nobody has opened yet is not worth a busy loop

    def close(self):
        """Ends the director's input, for which it no longer waits then."""
        for wire in self.wires:
            wire.close()

    def drain(self):
        """Waits until the director has taken all of its input."""
        return self.until(lambda: all(wire.fences == self.rounds for wire in self.wires))

    def finish(self):
        for wire in self.wires:
            wire.finish()
