"""The imports between the modules of octsk, read from the code, and a diagram of them."""

import ast
from html import escape
from pathlib import Path

Graph = dict[str, set[str]]

# Small helpers that most modules import: their lines would clutter the diagram.
EVERYWHERE = {"utils", "_version"}
BOX_WIDTH, BOX_HEIGHT = 116, 30
COLUMN, ROW = 130, 74


def imports(package: Path) -> Graph:
    """Read what each module imports from its own package, including imports in functions.

    A subpackage counts as one module. The ``__init__`` of the package, which re-exports the
    public names, is omitted.
    """
    graph: Graph = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts == ("__init__",):
            continue
        used = {name for name in _imported(path, package) if name != parts[0]}
        graph.setdefault(parts[0], set()).update(used)
    return graph


def _imported(path: Path, package: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # In "from octsk import x", x may be a module or a name that a module exports.
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    modules = {path.stem for path in package.iterdir() if not path.name.startswith("__")}
    own = (name.split(".") for name in names if name.startswith(f"{package.name}."))
    return {name[1] for name in own if name[1] in modules}


def layers(graph: Graph) -> list[list[str]]:
    """Sort modules into layers, the highest first, that only import lower layers.

    Raises
    ------
    ValueError
        If there is an import cycle.
    """
    height: dict[str, int] = {}

    def climb(module: str, way: tuple[str, ...]) -> int:
        if module in way:
            circle = [*way[way.index(module) :], module]
            raise ValueError(f"modules use one another: {' -> '.join(circle)}")
        if module not in height:
            below = [climb(used, (*way, module)) for used in sorted(graph[module])]
            height[module] = 1 + max(below, default=-1)
        return height[module]

    for module in graph:
        climb(module, ())
    return [
        [module for module in graph if height[module] == level]
        for level in range(max(height.values()), -1, -1)
    ]


def direct(graph: Graph) -> Graph:
    """Omit imports that are also reached through another import."""

    def reach(module: str) -> set[str]:
        return graph[module].union(*map(reach, graph[module]))

    return {module: used - set().union(*map(reach, used)) for module, used in graph.items()}


# --- Diagram ----------------------------------------------------------------------------


def to_html(root: Path) -> str:
    """Draw the modules and their imports."""
    whole = imports(root / "octsk")
    graph = {name: whole[name] - EVERYWHERE for name in whole if name not in EVERYWHERE}
    places = _places(layers(graph), graph)
    lines = [
        _line(places[module], places[used])
        for module, below in direct(graph).items()
        for used in sorted(below)
    ]
    boxes = [_box(module, place) for module, place in places.items()]
    width = max(x for x, _ in places.values()) + BOX_WIDTH + 2
    height = max(y for _, y in places.values()) + BOX_HEIGHT + 2
    return "\n".join(
        [
            f'<div class="octsk-modules"><svg viewBox="0 0 {width:.0f} {height:.0f}" '
            f'style="min-width: {width:.0f}px" role="img">',
            "<title>Modules of octsk: lines lead down to imported modules</title>",
            *lines,
            *boxes,
            "</svg></div>",
            "",
        ]
    )


def _places(rows: list[list[str]], graph: Graph) -> dict[str, tuple[float, float]]:
    """Place the layers from top to bottom, with each module near those that import it."""
    width = COLUMN * max(map(len, rows))
    places: dict[str, tuple[float, float]] = {}
    for level, row in enumerate(rows):
        left = (width - COLUMN * len(row)) / 2
        near_users = sorted(row, key=lambda module: _middle(module, graph, places))
        for column, module in enumerate(near_users):
            places[module] = (1 + left + COLUMN * column, 1 + ROW * level)
    return places


def _middle(module, graph, places) -> tuple[float, str]:
    xs = [places[user][0] for user in places if module in graph[user]]
    return (sum(xs) / len(xs) if xs else 0.0, module)


def _box(module: str, place: tuple[float, float]) -> str:
    x, y = place
    kind = "private" if module.startswith("_") else "public"
    middle = f'x="{x + BOX_WIDTH / 2:.0f}" y="{y + BOX_HEIGHT / 2 + 5:.0f}"'
    return (
        f'<g class="{kind}"><rect x="{x:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" '
        f'height="{BOX_HEIGHT}" rx="4"/><text {middle}>{escape(module)}</text></g>'
    )


def _line(user: tuple[float, float], used: tuple[float, float]) -> str:
    x1, y1 = user[0] + BOX_WIDTH / 2, user[1] + BOX_HEIGHT
    x2, y2 = used[0] + BOX_WIDTH / 2, used[1]
    bend = (y2 - y1) / 2
    return (
        f'<path d="M{x1:.0f} {y1:.0f} C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} '
        f'{x2:.0f} {y2:.0f}"/>'
    )
