"""DisCa, Table 3: what becomes of it without each of its parts."""

from __future__ import annotations

from reports.paper_columns import QUALITY_PERCENT, SEMANTIC_PERCENT, TOTAL_PERCENT
from reports.paper_table import PaperTable
from reports.published.disca import TABLE_3

TITLE = TABLE_3.cited
POSITION = 103
PAPER = PaperTable(TABLE_3, (SEMANTIC_PERCENT, QUALITY_PERCENT, TOTAL_PERCENT))

belongs = PAPER.belongs
sheet = PAPER.sheet
