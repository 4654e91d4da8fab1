"""DisCa (supplementary material), Table 5: the predictor with and without distillation."""

from __future__ import annotations

from reports.paper_columns import LATENCY, LPIPS, MODEL_STEPS, PSNR, SPEEDUP, SSIM
from reports.paper_table import PaperTable
from reports.published.disca import TABLE_5

TITLE = TABLE_5.cited
POSITION = 105
PAPER = PaperTable(TABLE_5, (MODEL_STEPS, LATENCY, SPEEDUP, LPIPS, PSNR, SSIM))

belongs = PAPER.belongs
sheet = PAPER.sheet
