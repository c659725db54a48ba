"""Cut a Python process off from the network, loopback excepted.

Python imports this file at its start when its folder is on PYTHONPATH. Every attempt
to go further is refused like a missing network and noted in the file that
LLMKIT_NETWORK_LOG names, so that a swallowed refusal is seen as well.
"""

import errno
import os
import socket

LOCAL = {"localhost", "ip6-localhost", "0.0.0.0", "::", "::1", "", None}


def is_local(host):
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    return host in LOCAL or host.startswith(("127.", "::ffff:127."))


def refuse(host):
    log = os.environ.get("LLMKIT_NETWORK_LOG")
    if log:
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{host}\n")


def guarded(method):
    def call(self, address, *args):
        internet = self.family in (socket.AF_INET, socket.AF_INET6)
        if internet and not is_local(address[0]):
            refuse(address[0])
            raise OSError(errno.ENETUNREACH, "the network is cut off for this run")
        return method(self, address, *args)

    return call


def lookup(host, *args, **kwargs):
    if not is_local(host):
        refuse(host)
        raise socket.gaierror(socket.EAI_NONAME, "the network is cut off for this run")
    return plain_lookup(host, *args, **kwargs)


plain_lookup = socket.getaddrinfo
socket.getaddrinfo = lookup
socket.socket.connect = guarded(socket.socket.connect)
socket.socket.connect_ex = guarded(socket.socket.connect_ex)
