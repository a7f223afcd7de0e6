# SPDX-License-Identifier: BSD-3-Clause
"""Figures, their goals, and the table that shows them."""
import dataclasses
import re
import statistics
import subprocess


@dataclasses.dataclass
class Figure:
    name: str
    value: float
    unit: str
    reach: float | None = None      # the goal; None: told for information
    at_least: bool = True           # a goal to be reached from below, else a limit to stay under
    spread: str = ""

    def holds(self):
        if self.reach is None:
            return None
        return self.value >= self.reach if self.at_least else self.value <= self.reach


class Report:
    def __init__(self, title):
        self.title = title
        self.figures = []
        self.notes = []

    def add(self, *args, **kwargs):
        self.figures.append(Figure(*args, **kwargs))

    def note(self, text):
        self.notes.append(text)

    def goals(self):
        return [{"name": f.name, "value": f.value, "unit": f.unit, "reach": f.reach,
                 "holds": f.holds()} for f in self.figures if f.reach is not None]

    def table(self):
        rows = [("figure", "value", "unit", "goal", "holds", "spread")]
        for f in self.figures:
            goal = "" if f.reach is None else (">= " if f.at_least else "<= ") + f"{f.reach:g}"
            holds = {None: "", True: "yes", False: "NO"}[f.holds()]
            rows.append((f.name, f"{f.value:.4g}", f.unit, goal, holds, f.spread))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [self.title, ""]
        for n, row in enumerate(rows):
            lines.append("| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths)) + " |")
            if n == 0:
                lines.append("|" + "|".join("-" * (w + 2) for w in widths) + "|")
        return "\n".join(lines + [""] + self.notes)


def median_and_spread(values):
    """The median and "lowest .. highest" as text."""
    return statistics.median(values), f"{min(values):.3g} .. {max(values):.3g}"


def callgrind(command, text):
    """Instructions of a program that is told `text`; None where they were not counted."""
    result = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                             *map(str, command)], input=text, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, check=False)
    found = re.search(r"Collected : (\d+)", result.stderr)
    return int(found.group(1)) if found else None
