"""GitHub's Markdown, which MLflow's notes render too: a pipe table a block, its notes and denominators under it."""

from __future__ import annotations

from typing import Final

from reports.columns import ARROWS
from reports.markdown import bold, escape, italic, superscript, table
from reports.sheet import UNDECIDED, Block, Cell, Heading, Line, Sheet, legend, told_denominators

SUFFIX: Final = ".md"
FIRST_HEADING: Final = "Method"


def render(sheet: Sheet) -> str:
    """Without the title, which a document says in a heading of its own."""
    lines: list[str] = []
    for text in sheet.lead:
        lines += [text, ""]
    for block in sheet.blocks:
        lines += _block(block)
    lines.append(" ".join([*sheet.remarks, *legend(sheet, second="italic")]))
    return "\n".join(lines).rstrip() + "\n"


def _block(block: Block) -> list[str]:
    setting = f" ({block.setting})" if block.setting else ""
    header = [FIRST_HEADING, *(_heading(heading) for heading in block.headings)]
    rows = [_line(block, line, name) for line, name in zip(block.lines, block.names, strict=True)]
    parts = [[f"**{escape(block.title)}**{setting}"], table(header, rows)]
    parts.append([f"{superscript(number)} {escape(note)}  " for number, note in enumerate(block.notes, start=1)])
    parts += [[remark] for remark in block.remarks]
    denominators = told_denominators(block.lines)
    if denominators:
        parts += [["Cells behind the rows:"], [f"- {escape(told)}" for told in denominators]]
    return [line for part in parts if part for line in (*part, "")]


def _heading(heading: Heading) -> str:
    name = escape(heading.name)
    return f"{name} {ARROWS[heading.direction]}" if heading.direction else name


def _line(block: Block, line: Line, name: str) -> list[str]:
    cells = [_cell(block, heading, cell) for heading, cell in zip(block.headings, line.cells, strict=True)]
    return [_noted(escape(name), block.marks(line)), *cells]


def _cell(block: Block, heading: Heading, cell: Cell) -> str:
    text = f"{cell.text}{heading.suffix}" if cell.is_number and not cell.unit else cell.text
    text = f"{text} {cell.unit}" if cell.unit else text
    text = bold(text) if cell.rank == 1 else italic(text) if cell.rank == 2 else text
    if cell.change:
        text += f" ({cell.change})"
    if cell.undecided:
        text += f" {UNDECIDED}"
    if cell.interval is not None:
        text += f" [{', '.join(cell.interval)}]"
    return _noted(escape(text), block.marks(cell))


def _noted(text: str, marks: tuple[int, ...]) -> str:
    return " ".join([text, *(superscript(mark) for mark in marks)])
