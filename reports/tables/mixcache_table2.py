"""MixCache, Table 2: ablation of interval scaling, penalty and levels."""

from __future__ import annotations

from reports.paper_columns import LATENCY, LPIPS, PSNR, SPEEDUP, SSIM
from reports.paper_table import PaperTable
from reports.published.mixcache import TABLE_2

TITLE = TABLE_2.cited
POSITION = 109
PAPER = PaperTable(TABLE_2, (LPIPS, PSNR, SSIM, LATENCY, SPEEDUP))

belongs = PAPER.belongs
sheet = PAPER.sheet
