# SPDX-License-Identifier: BSD-3-Clause
"""What a switch is set up with: its wire, its guests and their addresses; the same for each peer."""
import dataclasses
import struct

OUTSIDE = "02:00:00:00:00:99"  # the station on the wire
BROADCAST = "ff:ff:ff:ff:ff:ff"
UDP_HEADERS = 42


def address(number):
    return "52:54:00:" + ":".join(f"{b:02x}" for b in (number >> 16, number >> 8 & 255,
                                                     number & 255))


@dataclasses.dataclass
class Topology:
    """wire: what stands for the NIC. "pcap": sends the frames of `pcap` for ever, inside of the
    switch's own thread; "null": swallows all; "guest": a guest's interface, so that the generator
    is the wire; "flow-queue", "software": simwire.py's, with and without flow rules; None: there is
    none. guests[i]: the addresses of vm{i}."""
    folder: str
    wire: str
    guests: list
    pcap: str = ""
    sizes: tuple = (64,)  # of what a wire sends by itself
    idle: int = 0  # further guests, attached and idle, in addition to `guests`

    @property
    def names(self):
        return [f"vm{i}" for i in range(len(self.guests))]

    @property
    def idle_names(self):
        return [f"idle{i}" for i in range(self.idle)]

    @property
    def addresses(self):
        """{name of a port: its addresses}, idle ones too."""
        pairs = dict(zip(self.names, self.guests))
        pairs |= {name: [address(0xF00000 + i)] for i, name in enumerate(self.idle_names)}
        return pairs


def spread_addresses(total, guests):
    """Each guest's addresses: `total` of them, as evenly as it goes, at least one each."""
    share, more = divmod(max(total, guests), guests)
    lists, next_number = [], 1
    for i in range(guests):
        n = share + (i < more)
        lists.append([address(next_number + k) for k in range(n)])
        next_number += n
    return lists


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def udp_frame(dst, src, size):
    """As pktgen builds them, without a mark."""
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, size - 14, 0, 0, 64, 17, 0, 0x0A000001, 0x0A000002)
    total = sum(struct.unpack(">10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack(">H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + ip[12:]
    udp = struct.pack(">HHHH", 1024, 1025, size - 34, 0)
    return (mac_bytes(dst) + mac_bytes(src) + b"\x08\x00" + ip + udp).ljust(size, b"\0")


def write_pcap(path, destinations, sizes):
    """One frame to each destination, and at least 96 (a multiple of IMIX's twelve)."""
    count = max(len(destinations), 96)
    count += -count % len(sizes)
    with open(path, "wb") as f:
        f.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i in range(count):
            frame = udp_frame(destinations[i % len(destinations)], OUTSIDE, sizes[i % len(sizes)])
            f.write(struct.pack("=IIII", 0, i, len(frame), len(frame)) + frame)
