"""Reports of a run: a self-contained web page and a model card in Markdown.

`octsk.benchmark.BenchmarkRun.save` and `octsk.tuning.TuningRun.save` write both.
"""

from octsk.reporting._card import model_card
from octsk.reporting._page import html_report

__all__ = ["html_report", "model_card"]
