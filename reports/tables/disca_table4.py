"""DisCa (supplementary material), Table 4: image-to-video at 8 and at 4 steps of the model."""

from __future__ import annotations

from reports.paper_columns import LATENCY, LPIPS, MODEL_STEPS, PSNR, SPEEDUP, SSIM
from reports.paper_table import PaperTable
from reports.published.disca import TABLE_4

TITLE = TABLE_4.cited
POSITION = 104
PAPER = PaperTable(TABLE_4, (MODEL_STEPS, LATENCY, SPEEDUP, LPIPS, PSNR, SSIM))

belongs = PAPER.belongs
sheet = PAPER.sheet
