"""Formats the results as Markdown tables."""

import statistics

from .cases import OWN_CASES, by_name
from .plot import number, svg
from .programs import LAYOUTS


def table(head, rows):
    cells = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n"


def signed(value):
    return f"{value:+,.0f}"


def key(nginx, name, count, zone=False, place="middle", pool="16k", layout=0):
    """Returns the key under which a result is stored. JSON keys are strings."""
    parts = [nginx, name, str(count), place]
    if zone:
        parts.append("zone")
    if pool is None:
        parts.append("default pool")
    if layout:
        parts.append(f"layout {layout}")
    return " ".join(parts)


def costs(results, nginx, cases, counts):
    """Returns a table with a row per case: its costs and its difference to the base."""
    got = results["instructions"]
    variants = {
        f"over its base at {counts[0]}": {},
        "… with `zone`": {"zone": True},
        "… with the default pool": {"pool": None},
    }
    variants = {title: how for title, how in variants.items() if key(nginx, cases[0].name, counts[0], **how) in got}
    rows = []
    for case in cases:
        row = [case.title()]
        row += [number(got[key(nginx, case.name, count)]) for count in counts]
        for how in variants.values():
            row.append(signed(over(got, nginx, case, counts[0], how)) if case.base else "")
        rows.append(row)
    return table(["", *[f"{number(count)} servers" for count in counts], *variants], rows)


def over(got, nginx, case, count, how):
    """Returns the difference between a case and its base: the median over the heap layouts of both."""
    differences = []
    for layout in LAYOUTS:
        mine, base = (key(nginx, name, count, layout=layout, **how) for name in (case.name, case.base))
        if mine in got and base in got:
            differences.append(got[mine] - got[base])
    return statistics.median(differences)


def places(results, nginx, cases, counts):
    """Returns a table with the costs of each case by the position of the server in the list."""
    got = results["instructions"]
    head = ["", *[f"{number(count)} servers" for count in counts]]
    rows = []
    for case in cases:
        if not case.bound:
            continue
        places = [
            " / ".join(number(got[key(nginx, case.name, count, place=place)]) for place in ("first", "middle", "last"))
            for count in counts
        ]
        rows.append([case.title(), *places])
    return table(head, rows)


def summary(results):
    """The cost of each case over its base, with the fewest and the most servers."""
    got = results["instructions"]
    counts = (results["counts"][0], results["counts"][-1])
    tables = [("ours", results["versions"][0], [by_name()[name] for name in results["cases"]])]
    if results["own"]:
        own = {**by_name(), **by_name(OWN_CASES)}
        tables.append(("own", results["versions"][1], [own[name] for name in results["own"]]))
    rows = []
    for nginx, version, cases in tables:
        for case in cases:
            if case.base:
                whole = [number(got[key(nginx, case.name, count)]) for count in counts]
                rows.append([version, case.title(), signed(over(got, nginx, case, counts[0], {})), *whole])
    difference = f"over round robin, {counts[0]} servers"
    return table(["", "case", difference, *[f"whole request, {number(count)} servers" for count in counts]], rows)


def ratio(values, digits=3):
    low, middle, high = values
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def microseconds(seconds):
    return f"{seconds * 1e6:.1f}"


def load(results):
    parts = []
    for one in results["load"]:
        parts.append(
            f"{number(one['servers'])} servers, {one['connections']} connections, "
            f"{one['rounds']} rounds of {one['seconds']} s:\n"
        )
        rows = []
        for name, got in one["contenders"].items():
            row = [name, microseconds(got["median"]["cpu"])]
            row += [ratio(got["ratio"][what]) if "ratio" in got else "1" for what in ("cpu", "rate", "p50", "p99")]
            rows.append(row)
        parts.append(table(["", "µs of processor a request", "processor time", "throughput", "p50", "p99"], rows))
    return "\n".join(parts)


def memory(results):
    rows = []
    for name, got in results["memory"].items():
        case = by_name()[name]
        base = results["memory"].get(case.base)
        rows.append(
            [
                case.title(),
                f"{got['allocations']:.2f}",
                f"{got['own']:.2f}",
                number(got["pool"]),
                signed(got["pool"] - base["pool"]) if base else "",
            ]
        )
    return table(["", "calls of malloc & co.", "… by the module", "bytes of the request's pool", "over its base"], rows)


def startup(results):
    got = results["startup"]
    rows = [
        ["plain nginx", number(got["instructions"][0]), f"{got['seconds'][0] * 1e3:.1f}"],
        ["with `session_sticky`", number(got["instructions"][1]), f"{got['seconds'][1] * 1e3:.1f}"],
        ["ratio", f"{got['instructions_ratio']:.3f}", ratio(got["seconds_ratio"])],
    ]
    return table([f"`nginx -t`, {number(got['servers'])} servers", "instructions", "ms"], rows)


def index(results):
    rows = [[name, f"{got:.1f}"] for name, got in results["index"].items()]
    return table(["", "bytes a server and worker"], rows)


def markdown(results):
    counts = results["counts"]
    parts = [
        f"{results['machine']}; {', '.join(results['versions'])}. {results['date']}.\n",
        f"## Instructions per request, {results['versions'][0]}\n",
        costs(results, "ours", [by_name()[name] for name in results["cases"]], counts),
    ]
    if results["places"]:
        parts += [
            "The server of the session is first / in the middle / last in the list:\n",
            places(results, "ours", [by_name()[name] for name in results["cases"]], counts),
        ]
    if results["own"]:
        own = {**by_name(), **by_name(OWN_CASES)}
        parts += [
            f"## Instructions per request, {results['versions'][1]}\n",
            costs(results, "own", [own[name] for name in results["own"]], counts),
        ]
    parts += ["## Throughput, latency, processor time\n", load(results)]
    if "memory" in results:
        parts += ["## Memory of a request\n", memory(results)]
    if "index" in results:
        parts += ["## Memory of the index\n", index(results)]
    parts += ["## Loading\n", startup(results)]
    return "\n".join(parts)


def plot(results):
    """Returns the plot. All lines are for one nginx: the one with its own `sticky`, if measured."""
    got = results["instructions"]
    nginx = "own" if results["own"] else "ours"
    lines = [
        ("round robin, no module", 0, "base-id"),
        ("this module, first visit", 1, "first-visit"),
        ("nginx's own sticky, carried", 3, "own-carried"),
        ("this module, cookie carried", 2, "carried"),
    ]
    drawn = []
    for title, colour, name in lines:
        counts = [count for count in results["plot_counts"] if key(nginx, name, count) in got]
        if counts:
            drawn.append((title, colour, [(count, got[key(nginx, name, count)]) for count in counts]))
    return svg(
        "What a request costs, by the number of servers",
        f"{results['versions'][1 if results['own'] else 0]}; the server of the session is in the middle of the list",
        "servers in the upstream",
        "instructions a request",
        drawn,
    )
