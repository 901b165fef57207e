# SPDX-License-Identifier: BSD-3-Clause
"""Ethernet frames as bytes, each with a number in its payload by which it is found again."""
import itertools
import struct

MAGIC = b"MvSw"
BROADCAST = "ff:ff:ff:ff:ff:ff"
TEST_TYPE = 0x88B5  # IEEE: local experimental
_numbers = itertools.count(1)


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def mac_text(mac):
    return mac.hex(":")


def is_multicast(mac):
    return bool(mac_bytes(mac)[0] & 1)


def build(dst, src, ethertype=TEST_TYPE, payload=b"", length=60, vlans=(), number=None):
    """A frame of length bytes at least (without FCS, tags included).

    vlans: outermost first; a VLAN id (or a whole TCI), or (TPID, TCI).
    number: what frame_number() will find; a new one by default.
    """
    tags = b""
    for tag in vlans:
        tpid, tci = tag if isinstance(tag, tuple) else (0x8100, tag)
        tags += struct.pack("!HH", tpid, tci)
    number = next(_numbers) if number is None else number
    head = mac_bytes(dst) + mac_bytes(src) + tags + struct.pack("!H", ethertype)
    frame = head + MAGIC + struct.pack("!I", number) + payload
    fill = bytes((number + i) & 0xFF for i in range(max(0, length - len(frame))))
    return frame + fill


def frame_number(frame):
    """The number build() put there, or None: not one of ours."""
    at = frame.find(MAGIC, 14)
    if at < 0 or at + 8 > len(frame):
        return None
    return struct.unpack_from("!I", frame, at + 4)[0]
