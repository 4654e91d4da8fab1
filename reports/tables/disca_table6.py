"""DisCa (supplementary material), Table 6: the semantic score by dimension, and its change."""

from __future__ import annotations

from reports.paper_columns import SEMANTIC_DIMENSIONS, SEMANTIC_PERCENT
from reports.paper_table import PaperTable
from reports.published.disca import TABLE_6

TITLE = TABLE_6.cited
POSITION = 106
PAPER = PaperTable(TABLE_6, (SEMANTIC_PERCENT, *SEMANTIC_DIMENSIONS))

belongs = PAPER.belongs
sheet = PAPER.sheet
