"""Counts the frames between the data centers that hold some bytes.

usage: sniff.py MARKER_IN_HEX SECONDS
Listens until the seconds are over and standard input has ended. Prints "ready" when it listens, and at the end how many frames it saw and how many of them held the marker.
"""

import select
import socket
import sys
import time

ETH_P_IP = 0x0800
RECEIVE_BUFFER = 33  # SO_RCVBUFFORCE: a burst must not slip by unseen

marker, seconds = bytes.fromhex(sys.argv[1]), float(sys.argv[2])
listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
try:
    listener.setsockopt(socket.SOL_SOCKET, RECEIVE_BUFFER, 64 << 20)
except OSError:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
print("ready", flush=True)

frames = hits = 0
end = time.monotonic() + seconds
sources = [listener, sys.stdin]
while sys.stdin in sources or time.monotonic() < end:
    ready = select.select(sources, [], [], 0.1)[0]
    if sys.stdin in ready and not sys.stdin.buffer.read1(4096):
        sources.remove(sys.stdin)
    if listener not in ready:
        continue
    frame, (device, _, kind, _, _) = listener.recvfrom(65535)
    # Each packet once: as it comes in from a data center, not again on the delay line or on its way out.
    if kind == socket.PACKET_OUTGOING or not device.startswith("eth"):
        continue
    frames += 1
    hits += marker in frame
print(frames, hits)
