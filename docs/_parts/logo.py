"""The logo: a foveal pit in retinal layers, and the name. Run to write the SVG files."""

import math
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "_static"
# The colours of the name on light and on dark pages.
INK = {"light": "#1b2733", "dark": "#e8edf2"}
# Depth of the layer, depth of its pit, colour and width.
LAYERS = [(28, 16, "#8fa3b5", 4), (42, 8, "#56b4e9", 5), (58, 0, "#e69f00", 7)]
LETTERS = [
    (0, "M20 10a20 20 0 1 0 .01 0z"),
    (54, "M34 16a20 20 0 1 0 0 28"),
    (98, "M12 -4V38q0 12 12 12h2M0 11h26"),
    (
        136,
        "M28 17C25 11 20 10 15 10C7 10 2 14 2 20C2 28 9 29 15 30"
        "C22 31 29 33 29 41C29 47 23 50 15 50C9 50 4 48 1 43",
    ),
    (182, "M2 -10V50M27 11L2 34M11 26L29 50"),
]


def _layer(depth, pit, colour, width):
    points = []
    for x in range(10, 75, 4):
        bow = 5 * ((x - 42) / 42) ** 2
        y = depth + bow + pit * math.exp(-(((x - 42) / 11) ** 2))
        points.append(f"{x},{y:.1f}")
    joined = " ".join(points)
    return f'<polyline points="{joined}" stroke="{colour}" stroke-width="{width}"/>'


def mark() -> str:
    """Draw the retinal layers on a dark tile of 84 x 84."""
    layers = "".join(_layer(*layer) for layer in LAYERS)
    return (
        '<rect width="84" height="84" rx="16" fill="#1b2733"/>'
        f'<g fill="none" stroke-linecap="round" stroke-linejoin="round">{layers}</g>'
    )


def name(ink: str) -> str:
    """Draw the name as lines, so that no font is needed."""
    letters = "".join(f'<path transform="translate({x})" d="{d}"/>' for x, d in LETTERS)
    return (
        f'<g transform="translate(108 18)" fill="none" stroke="{ink}" stroke-width="9" '
        f'stroke-linecap="round" stroke-linejoin="round">{letters}</g>'
    )


def svg(width: int, content: str) -> str:
    """Write a drawing that is 84 units high as a file."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 84" '
        f'role="img" aria-label="octsk">{content}</svg>\n'
    )


def files() -> dict[str, str]:
    """Return the content of each file of the logo."""
    logos = {f"logo-{theme}.svg": svg(330, mark() + name(INK[theme])) for theme in INK}
    return logos | {"icon.svg": svg(84, mark())}


if __name__ == "__main__":
    for file, text in files().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
