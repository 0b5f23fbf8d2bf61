"""An independent judge of the director: it makes packets and judges what becomes of them with scapy, without the project's own code.

usage: judge.py traffic|damaged|echo FOLDER SEED BURST PACKETS MODE VIP-FAMILY SERVER-FAMILY VLANS
       judge.py hostile FOLDER SEED BURST CLASSES|all MODE VIP-FAMILY SERVER-FAMILY VLANS
       judge.py classes FAMILY

"classes" lists the classes of hostile packets. Else it writes FOLDER/director.toml and says "ready": now the director is to be started
with it. It says "done" when all packets have been sent: now the director is to be stopped, its report written to FOLDER/report.json, and
a line to be sent to the judge, which then says what it saw and what is wrong, and ends with status 1, or with 0. FOLDER/*-in.pcap and
*-out.pcap are what was sent and received. The same seed makes the same packets.
"""

import json
import os
import sys
from socket import inet_aton

sys.path.insert(0, os.path.dirname(__file__))

from scapy.layers.inet import ICMP, IP  # noqa: E402
from scapy.packet import raw  # noqa: E402

import frames  # noqa: E402
import network  # noqa: E402
from traffic import Traffic  # noqa: E402
from wire import Stuck, Wire, Wires  # noqa: E402

SHOWN = 5  # errors
FENCES = ["10.0.0.254", "10.1.0.254"]  # who sends fences, and nothing else


def filler(wire):
    """A frame of a protocol that no director knows (LLDP)."""
    return frames.mac(network.PORT_MACS[wire]) + frames.mac(network.ROUTER_MAC) + b"\x88\xcc" + bytes(46)


def fence(wire, number):
    own = (network.FRONT, network.BACK)[wire]
    ping = IP(src=FENCES[wire], dst=own[4]) / ICMP(type=8, seq=number & 0xFFFF)
    return frames.ethernet(network.PORT_MACS[wire], network.ROUTER_MAC, raw(ping)) + bytes(18)


def fence_answered(frame):
    return frame[12:14] == b"\x08\x00" and frame[23] == 1 and frame[34] == 0 and frame[30:34] in map(inet_aton, FENCES)


def make_wires(folder, burst, vlans):
    wires = []
    for number, name in enumerate(("front", "back")):
        wires.append(Wire(folder, name, filler(number), lambda n, number=number: fence(number, n), fence_answered, vlans[number]))
    return Wires(wires, burst)


def say(word):
    print(word, flush=True)


def main(kind, folder, seed, burst, amount, mode, vip, server, vlans):
    setup = network.Setup(mode, int(vip), int(server), [int(v) for v in vlans.split(",")])
    wires = make_wires(folder, int(burst), setup.vlans)
    trial = new_trial(kind, setup, Traffic(seed), wires, amount)
    with open(os.path.join(folder, "director.toml"), "w") as file:
        file.write(setup.toml([w.device(n) for n, w in enumerate(wires.wires)]))
    say("ready")
    for step in (trial.run, wires.close, wires.drain):
        try:
            step()
        except Stuck as stuck:
            trial.errors.append(str(stuck))
    say("done")
    sys.stdin.readline()
    wires.finish()
    with open(os.path.join(folder, "report.json")) as file:
        trial.check_report(json.load(file))
    say(trial.summary())
    for error in trial.errors[:SHOWN]:
        say(error)
    if trial.errors:
        sys.exit(f"{len(trial.errors)} errors with seed {seed}")


def new_trial(kind, setup, traffic, wires, amount):
    if kind == "hostile":
        from hostile import Hostile
        return Hostile(setup, traffic, wires, amount)
    from trial import DamagedTrial, EchoTrial, Trial
    return {"traffic": Trial, "damaged": DamagedTrial, "echo": EchoTrial}[kind](setup, traffic, wires, int(amount))


if __name__ == "__main__":
    if sys.argv[1] == "classes":
        from hostile import CLASSES
        say("\n".join(CLASSES[int(sys.argv[2])]))
    else:
        main(*sys.argv[1:])
