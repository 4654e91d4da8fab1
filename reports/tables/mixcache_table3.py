"""MixCache, Table 3: block candidates, and what they hold in memory."""

from __future__ import annotations

from reports.paper_columns import CACHE, LATENCY, LPIPS, PSNR, SPEEDUP, SSIM
from reports.paper_table import PaperTable
from reports.published.mixcache import TABLE_3

TITLE = TABLE_3.cited
POSITION = 110
PAPER = PaperTable(TABLE_3, (LPIPS, PSNR, SSIM, LATENCY, SPEEDUP, CACHE))

belongs = PAPER.belongs
sheet = PAPER.sheet
