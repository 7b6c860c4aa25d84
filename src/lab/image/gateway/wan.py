"""A wide-area line for kernels without netem: what comes in on a TUN device goes out of it later, or not at all.

usage: wan.py DEVICE DELAY_MS LOSS_PERCENT
"""

import collections
import fcntl
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
BATCH = 128

# The delay must not depend on how busy the machine is.
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
except OSError:
    pass
try:
    os.nice(-20)
except OSError:
    pass

device, delay, loss = sys.argv[1], float(sys.argv[2]) / 1e3, float(sys.argv[3]) / 100
tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN_NO_PI))
with open("/run/wan.pid", "w") as file:
    file.write(str(os.getpid()))

# The delay is the same for all packets, so the line is a queue and nothing is ever reordered.
line = collections.deque()
while True:
    wait = max(0.0, line[0][0] - time.monotonic()) if line else None
    if select.select([tun], [], [], wait)[0]:
        try:
            for _ in range(BATCH):
                packet = os.read(tun, 65535)
                if loss == 0 or random.random() >= loss:
                    line.append((time.monotonic() + delay, packet))
        except BlockingIOError:
            pass
    now = time.monotonic()
    while line and line[0][0] <= now:
        try:
            os.write(tun, line.popleft()[1])
        except OSError:
            pass  # no route any more, or the device is down: a line drops such packets
