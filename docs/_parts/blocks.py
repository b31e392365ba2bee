"""Run the Python blocks of a page and save the figures and texts that they show."""

import doctest
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

BLOCK = re.compile(
    r"(<!-- not run: [^>]*-->\n+)?^```(python|pycon)\n(.*?)^```$", re.M | re.S
)


def blocks_of(page: Path) -> Iterator[tuple[str, str, int]]:
    """Yield the language, code and first line of each block of the page to run."""
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        if block[1] is None:
            yield block[2], block[3], text.count("\n", 0, block.start(3))


def run(page: Path, after_block: Callable[[], None] = lambda: None) -> None:
    """Run the blocks of a page in order in one namespace.

    Raises
    ------
    AssertionError
        If the output of a line that begins with ``>>>`` differs from the page.
    """
    names = {"__name__": "__main__"}
    for language, code, line in blocks_of(page):
        if language == "python":
            exec(compile("\n" * line + code, str(page), "exec"), names)
        else:
            test = doctest.DocTestParser().get_doctest(
                code, names, page.name, str(page), line
            )
            report = io.StringIO()
            doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(
                test, out=report.write, clear_globs=False
            )
            if report.getvalue():
                raise AssertionError(report.getvalue())
            names = test.globs
        after_block()


def draw(page: Path, folder: Path) -> None:
    """Run a page and save what its blocks show.

    Figures become ``<page>-<number>.png``, and the text that a block prints becomes
    ``<page>-<number>.txt``. Nothing is done if these files are newer than the page.
    """
    import contextlib
    import tempfile

    import matplotlib.pyplot as plt

    before = sorted(folder.glob(f"{page.stem}-*.*"))
    if before and before[0].stat().st_mtime > page.stat().st_mtime:
        return
    for file in before:
        file.unlink()
    pictures, texts, printed = [], [], io.StringIO()

    def save_outputs():
        for number in plt.get_fignums():
            pictures.append(folder / f"{page.stem}-{len(pictures) + 1}.png")
            plt.figure(number).savefig(pictures[-1], dpi=160)
        plt.close("all")
        if printed.getvalue():
            texts.append(folder / f"{page.stem}-{len(texts) + 1}.txt")
            texts[-1].write_text(printed.getvalue(), encoding="utf-8")
            printed.seek(0)
            printed.truncate()

    # Pages write small files to the working directory.
    with (
        tempfile.TemporaryDirectory() as elsewhere,
        contextlib.chdir(elsewhere),
        contextlib.redirect_stdout(printed),
    ):
        run(page, save_outputs)
