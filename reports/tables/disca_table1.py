"""DisCa, Table 1: Restricted MeanFlow against MeanFlow at equal numbers of steps."""

from __future__ import annotations

from reports.paper_columns import QUALITY_PERCENT, SEMANTIC_PERCENT, SPEEDUP, TOTAL_PERCENT
from reports.paper_table import PaperTable
from reports.published.disca import TABLE_1

TITLE = TABLE_1.cited
POSITION = 101
PAPER = PaperTable(TABLE_1, (SPEEDUP, SEMANTIC_PERCENT, QUALITY_PERCENT, TOTAL_PERCENT))

belongs = PAPER.belongs
sheet = PAPER.sheet
