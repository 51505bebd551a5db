"""In a network of its own, where nobody has port 5273: the service as a workshop's user starts it, then the script.

unshare -n python inside.py MODELS SCRIPT PYTHON
"""

import fcntl
import socket
import struct
import subprocess
import sys

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def loopback_up() -> None:
    """A new network's loopback is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        told = fcntl.ioctl(one, _SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        name, flags = struct.unpack("16sh14x", told)
        fcntl.ioctl(one, _SIOCSIFFLAGS, struct.pack("16sh14x", name, flags | _IFF_UP))


def main() -> int:
    models, script, python = sys.argv[1:]
    loopback_up()
    subprocess.run(["foundry", "service", "start", "--models", models, "--threads", "1"], check=True, stdout=sys.stderr)
    try:
        return subprocess.run([python, script], check=False, timeout=100).returncode
    finally:
        subprocess.run(["foundry", "service", "stop"], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
