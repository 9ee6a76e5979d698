"""A DNS server that alternates between two addresses for a name."""

import itertools
import socket
import threading

import lab

ADDRESSES = ["127.0.0.2", "127.0.0.3"]


def serve(where):
    """Answers until this process ends."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(lab.endpoint(where))

    def answer():
        for address in itertools.cycle(ADDRESSES):
            query, client = server.recvfrom(512)
            header = query[:2] + bytes.fromhex("8180 0001 0001 0000 0000")
            record = bytes.fromhex("c00c 0001 0001 00000001 0004") + socket.inet_aton(address)
            server.sendto(header + query[12:] + record, client)

    threading.Thread(target=answer, daemon=True).start()
