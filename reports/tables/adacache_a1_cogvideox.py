"""AdaCache (supplementary material), Table A.1, right: CogVideoX-2B."""

from __future__ import annotations

from reports.paper_columns import LATENCY, SPEEDUP, VBENCH
from reports.paper_table import PaperTable
from reports.published.adacache_supplementary import TABLE_A1_RIGHT

TITLE = TABLE_A1_RIGHT.cited
POSITION = 113
PAPER = PaperTable(TABLE_A1_RIGHT, (VBENCH, LATENCY, SPEEDUP))

belongs = PAPER.belongs
sheet = PAPER.sheet
