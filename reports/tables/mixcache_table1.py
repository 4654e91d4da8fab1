"""MixCache, Table 1: efficiency and visual quality on four models."""

from __future__ import annotations

from reports.paper_columns import LATENCY, LPIPS, PSNR, SPEEDUP, SSIM, VBENCH
from reports.paper_table import PaperTable
from reports.published.mixcache import TABLE_1

TITLE = TABLE_1.cited
POSITION = 108
PAPER = PaperTable(TABLE_1, (VBENCH, LPIPS, PSNR, SSIM, LATENCY, SPEEDUP))

belongs = PAPER.belongs
sheet = PAPER.sheet
