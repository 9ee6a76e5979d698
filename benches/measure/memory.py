"""The memory used by requests and by upstreams."""

import os

from .callgrind import Traced, slope
from .cases import APPLICATION
from .client import Client, cookie_value, log_in
from .programs import Backend, Proxy, Running, Scratch, free_port

# the functions that allocate memory from the system or from the heap of libc
ALLOCATORS = {
    "malloc",
    "calloc",
    "realloc",
    "memalign",
    "posix_memalign",
    "aligned_alloc",
    "valloc",
    "mmap",
    "mmap64",
    "mremap",
    "brk",
    "sbrk",
}


def allocations(result, module=""):
    """Returns, for a Slope, the number of allocator calls per request, and how many of them the module makes."""
    every = own = 0.0
    for (caller, called), calls in result.calls().items():
        if called.split("'")[0] in ALLOCATORS and caller != "libc.so.6":
            every += calls
            if caller == os.path.basename(module):
                own += calls
    return every, own


# The sizes of a request's pool that are searched for the smallest sufficient one. They exceed the size of the buffer
# for the response header, which would otherwise be allocated elsewhere.
SMALLEST, LARGEST, STEP = 7200, 10400, 16


def pool_bytes(case, nginx, module, backend_nginx):
    """Returns the smallest request_pool_size with which a request needs no second block, for 2 servers.

    One nginx listens on a separate address for each size.
    """
    sizes = list(range(SMALLEST, LARGEST + 1, STEP))
    proxy = Proxy.of(case, nginx, module, pool=str(LARGEST * 2 // STEP * STEP))
    with Scratch() as scratch, Backend(scratch, backend_nginx, APPLICATION if case.sets else None) as backend:
        address = ("127.0.0.1", free_port())
        port = address[1]
        more = "".join(
            f"server {{ listen 127.3.{i // 250}.{i % 250 + 1}:{port}; request_pool_size {size}; "
            'location / { proxy_http_version 1.1; proxy_set_header Connection ""; '
            "proxy_pass http://u; } }\n"
            for i, size in enumerate(sizes)
        )
        conf = proxy.conf(scratch, backend.port, address, more=more)
        value = cookie_value(case.cookie, "middle", 2, backend.port)
        with Traced(scratch, proxy.command(scratch, conf), address) as traced:
            if case.cookie == "learned":
                with Client(address) as client:
                    log_in(client)

            def calls(host):
                with Client((host, port), value) as client:
                    result = slope(traced, client, requests=20, pairs=1, warm=5)
                return round(allocations(result)[0])

            enough = calls("127.0.0.1")
            low, high = 0, len(sizes) - 1
            while low < high:
                middle = (low + high) // 2
                if calls(f"127.3.{middle // 250}.{middle % 250 + 1}") <= enough:
                    high = middle
                else:
                    low = middle + 1
    return sizes[low]


def worker_bytes(case, nginx, module, backend_nginx, count, zone=False):
    """Returns the private memory of a worker process after a few requests."""
    proxy = Proxy.of(case, nginx, module, zone=zone, count=count)
    with Scratch() as scratch, Backend(scratch, backend_nginx) as backend:
        address = ("127.0.0.1", free_port())
        conf = proxy.conf(scratch, backend.port, address)
        value = cookie_value(case.cookie, "middle", count, backend.port)
        with Running(proxy.command(scratch, conf), scratch.file("log")) as running:
            running.wait_for(address)
            with Client(address, value) as client:
                client.repeat(5)
                return anonymous(running.pid)


def anonymous(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Anonymous:"):
                return int(line.split()[1]) * 1024
    return 0


def index_bytes(case, base, nginx, module, backend_nginx, zone=False, count=10_000):
    """Returns the bytes per server in a worker process, in addition to those of plain nginx."""

    def more(servers):
        return worker_bytes(case, nginx, module, backend_nginx, servers, zone) - worker_bytes(
            base, nginx, None, backend_nginx, servers, zone
        )

    return (more(count) - more(2)) / (count - 2)
