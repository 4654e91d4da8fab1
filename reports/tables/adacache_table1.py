"""AdaCache, Table 1: quality and complexity on three models."""

from __future__ import annotations

from reports.paper_columns import FLOPS, LATENCY, LPIPS, PSNR, SPEEDUP, SSIM, VBENCH
from reports.paper_table import PaperTable
from reports.published.adacache import TABLE_1

TITLE = TABLE_1.cited
POSITION = 111
PAPER = PaperTable(TABLE_1, (VBENCH, PSNR, LPIPS, SSIM, FLOPS, LATENCY, SPEEDUP))

belongs = PAPER.belongs
sheet = PAPER.sheet
