"""Draw what `devstack.backtest --to` wrote: each week's receipts, and the forecast of it four weeks before.

    make plot-forecast DATA=file.csv

It is run by .venv-plot, so it imports nothing of ours. The same weeks make the same file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    weeks = json.loads(source.read_text())
    columns = {name: [week[name] / (1 if name == "week" else 100_000) for week in weeks] for name in weeks[0]}
    # Text stays text, and neither ids nor the date of drawing change from run to run.
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "aftertab", "font.family": "sans-serif"}
    figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
    axes.fill_between(columns["week"], columns["p10"], columns["p90"], color="#c9d8ee", label="p10 to p90")
    axes.plot(columns["week"], columns["p50"], color="#2456a6", label="p50, four weeks before")
    axes.plot(columns["week"], columns["received"], color="#111111", marker="o", markersize=3, label="came in")
    axes.plot(columns["week"], columns["naive"], color="#b0611c", linestyle=":", label="mean of eight weeks")
    axes.set(xlabel="week", ylabel="thousands", ylim=(0, None), title="Receipts a week, and what was expected of them")
    axes.legend(frameon=False, ncols=2)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, metadata={"Date": None, "Creator": "make plot-forecast"})


if __name__ == "__main__":
    main()
