"""An SVG plot of the cost by number of servers, with logarithmic axes, for light and dark color schemes."""

import math
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 800, 470
LEFT, RIGHT, TOP, BOTTOM = 92, 226, 68, 58

STYLE = """
    text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
    .title { font-size: 16px; font-weight: 600 }
    .small { font-size: 12px; fill: #59636e }
    .grid { stroke: #d1d9e0; stroke-width: 1 }
    .axis { stroke: #59636e; stroke-width: 1 }
    .line { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round }
    .c0.line { stroke-width: 7; opacity: .45 }
    .ground { fill: #ffffff }
    .c0 { stroke: #8c959f; fill: #8c959f } .c1 { stroke: #bc4c00; fill: #bc4c00 }
    .c2 { stroke: #0969da; fill: #0969da } .c3 { stroke: #8250df; fill: #8250df }
    .c4 { stroke: #1a7f37; fill: #1a7f37 }
    text.name { stroke: none }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc } .small { fill: #9198a1 } .grid { stroke: #3d444d } .axis { stroke: #9198a1 }
      .ground { fill: #0d1117 }
      .c0 { stroke: #9198a1; fill: #9198a1 } .c1 { stroke: #f0883e; fill: #f0883e }
      .c2 { stroke: #4493f8; fill: #4493f8 } .c3 { stroke: #ab7df8; fill: #ab7df8 }
      .c4 { stroke: #3fb950; fill: #3fb950 }
    }
"""


class Axis:
    def __init__(self, low, high, start, end):
        self.low, self.high, self.start, self.end = math.log(low), math.log(high), start, end

    def __call__(self, value):
        part = (math.log(value) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)


def number(value):
    return f"{value:,.0f}"


def ticks(low, high):
    """Yields 1, 2, 5, 10, 20, 50, … within these limits, inclusive."""
    power = 10 ** math.floor(math.log10(low))
    while True:
        for step in (1, 2, 5):
            if step * power > high:
                return
            if step * power >= low:
                yield step * power
        power *= 10


def apart(places, gap=18):
    """Moves overlapping labels apart, keeping their order from top to bottom."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    result = list(places)
    for before, here in pairwise(order):
        result[here] = max(result[here], result[before] + gap)
    over = result[order[-1]] - (HEIGHT - BOTTOM) if order else 0
    if over > 0:
        for i in order:
            result[i] -= over
        for before, here in reversed(list(pairwise(order))):
            result[before] = min(result[before], result[here] - gap)
    return result


def svg(title, subtitle, x_title, y_title, lines):
    """lines: (name, colour 0…4, [(x, y)])."""
    points = [point for _, _, line in lines for point in line]
    highest = max(y for _, y in points)
    low = 10 ** math.floor(math.log10(min(y for _, y in points)))
    high = next(tick for tick in ticks(low, 10 * highest) if tick >= highest)
    x = Axis(min(x for x, _ in points), max(x for x, _ in points), LEFT, WIDTH - RIGHT)
    y = Axis(low, high, HEIGHT - BOTTOM, TOP)

    out = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        ),
        f"  <style>{STYLE}  </style>",
        f'  <rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        f'  <text class="title" x="{LEFT}" y="28">{escape(title)}</text>',
        f'  <text class="small" x="{LEFT}" y="47">{escape(subtitle)}</text>',
    ]
    for value in ticks(low, high):
        at = y(value)
        out.append(f'  <line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        out.append(f'  <text class="small" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{number(value)}</text>')
    for value in sorted({x for x, _ in points}):
        at = x(value)
        out.append(
            f'  <line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 5}"/>'
        )
        out.append(
            f'  <text class="small" x="{at:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{number(value)}</text>'
        )
    out.append(f'  <line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}"/>')
    out.append(
        f'  <text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 14}" text-anchor="middle">{escape(x_title)}</text>'
    )
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(f'  <text transform="translate(22 {middle}) rotate(-90)" text-anchor="middle">{escape(y_title)}</text>')

    labels = apart([y(line[-1][1]) for _, _, line in lines])
    for (name, colour, line), label in zip(lines, labels, strict=True):
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line)
        out.append(f'  <polyline class="line c{colour}" style="fill: none" points="{path}"/>')
        out.extend(f'  <circle class="c{colour}" cx="{x(a):.1f}" cy="{y(b):.1f}" r="3.2"/>' for a, b in line)
        out.append(f'  <text class="name c{colour}" x="{WIDTH - RIGHT + 12}" y="{label + 4:.1f}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>", ""])
