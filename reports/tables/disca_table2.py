"""DisCa, Table 2: all methods at a low and a high speed, with what they cost."""

from __future__ import annotations

from reports.paper_columns import FLOPS, LATENCY, PEAK_MEMORY, QUALITY_PERCENT, SEMANTIC_PERCENT, SPEEDUP, TOTAL_PERCENT
from reports.paper_table import PaperTable
from reports.published.disca import TABLE_2

TITLE = TABLE_2.cited
POSITION = 102
PAPER = PaperTable(TABLE_2, (PEAK_MEMORY, FLOPS, LATENCY, SPEEDUP, SEMANTIC_PERCENT, QUALITY_PERCENT, TOTAL_PERCENT))

belongs = PAPER.belongs
sheet = PAPER.sheet
