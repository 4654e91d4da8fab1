"""DisCa (supplementary material), Table 7: theoretical and actual acceleration."""

from __future__ import annotations

from reports.paper_columns import FLOPS, FLOPS_SPEEDUP, LATENCY, PEAK_MEMORY, SPEEDUP, THEORETICAL_LATENCY
from reports.paper_table import PaperTable
from reports.published.disca import TABLE_7

TITLE = TABLE_7.cited
POSITION = 107
PAPER = PaperTable(TABLE_7, (PEAK_MEMORY, FLOPS, FLOPS_SPEEDUP, THEORETICAL_LATENCY, LATENCY, SPEEDUP))

belongs = PAPER.belongs
sheet = PAPER.sheet
