"""AdaCache (supplementary material), Table A.1, left: class-conditional images of DiT-XL/2."""

from __future__ import annotations

from reports.paper_columns import LATENCY, SPEEDUP
from reports.paper_table import PaperTable
from reports.published.adacache_supplementary import TABLE_A1_LEFT
from reports.set_scores import COLUMNS as IMAGE_SETS

TITLE = TABLE_A1_LEFT.cited
POSITION = 112
PAPER = PaperTable(TABLE_A1_LEFT, (*IMAGE_SETS, LATENCY, SPEEDUP))

belongs = PAPER.belongs
sheet = PAPER.sheet
