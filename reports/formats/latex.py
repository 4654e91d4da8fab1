"""LaTeX with booktabs: one floating table, a tabular for each block."""

from __future__ import annotations

from typing import Final

from reports.sheet import UNDECIDED, Block, Cell, Heading, Line, Sheet, legend, told_denominators

SUFFIX: Final = ".tex"
FIRST_HEADING: Final = "Method"
ARROWS: Final = {"higher": r"$\uparrow$", "lower": r"$\downarrow$"}
_WIDTH: Final = r"\ifdim\width>\linewidth\linewidth\else\width\fi"
_SPECIAL: Final = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "[": "{[}",  # behind a line's end it would be the line's spacing
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    UNDECIDED: r"$\approx$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def render(sheet: Sheet) -> str:
    """Needs `booktabs`, and `graphicx` to shrink what is wider than the page.

    Best values are bold, second-best underlined.
    """
    lines = [
        r"% \usepackage{booktabs,graphicx}",
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{escape(sheet.title)}}}",
        *(_small(escape(text)) for text in sheet.lead),
    ]
    for block in sheet.blocks:
        lines += _block(block)
    lines.append(_small(escape(" ".join([*sheet.remarks, *legend(sheet, second="underlined")]))))
    return "\n".join([*lines, r"\end{table*}"]) + "\n"


def escape(text: str) -> str:
    """Make any text safe for LaTeX: one line, no commands."""
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))


def _block(block: Block) -> list[str]:
    setting = f" ({escape(block.setting)})" if block.setting else ""
    columns = "".join("l" if heading.text else "r" for heading in block.headings)
    header = " & ".join([FIRST_HEADING, *(_heading(heading) for heading in block.headings)])
    lines = [
        rf"\par\medskip\textbf{{{escape(block.title)}}}{setting}\par\smallskip",
        rf"\resizebox{{{_WIDTH}}}{{!}}{{%",
        rf"\begin{{tabular}}{{l{columns}}}",
        r"\toprule",
        rf"{header} \\",
        r"\midrule",
        *(_line(block, line, name) for line, name in zip(block.lines, block.names, strict=True)),
        r"\bottomrule",
        r"\end{tabular}}",
    ]
    under = [f"{_mark(number)} {escape(note)}" for number, note in enumerate(block.notes, start=1)]
    under += [escape(remark) for remark in block.remarks]
    denominators = told_denominators(block.lines)
    if denominators:
        under.append(escape(f"Cells behind the rows. {'. '.join(denominators)}."))
    return [*lines, *(_small(text) for text in under)]


def _small(text: str) -> str:
    return rf"{{\footnotesize {text}\par}}"


def _heading(heading: Heading) -> str:
    name = escape(heading.name)
    return f"{name} {ARROWS[heading.direction]}" if heading.direction else name


def _line(block: Block, line: Line, name: str) -> str:
    name = escape(name) + "".join(_mark(mark) for mark in block.marks(line))
    cells = [_cell(block, heading, cell) for heading, cell in zip(block.headings, line.cells, strict=True)]
    return rf"{' & '.join([name, *cells])} \\"


def _cell(block: Block, heading: Heading, cell: Cell) -> str:
    text = _minus(escape(f"{cell.text}{heading.suffix}" if cell.is_number and not cell.unit else cell.text))
    text = f"{text}~{escape(cell.unit)}" if cell.unit else text
    text = rf"\textbf{{{text}}}" if cell.rank == 1 else rf"\underline{{{text}}}" if cell.rank == 2 else text
    if cell.change:
        text += f" ({_minus(escape(cell.change))})"
    if cell.undecided:
        text += f" {_SPECIAL[UNDECIDED]}"
    if cell.interval is not None:
        text += rf" {{\scriptsize {{[}}{', '.join(map(_minus, cell.interval))}]}}"
    return text + "".join(_mark(mark) for mark in block.marks(cell))


def _minus(text: str) -> str:
    """A negative number's sign, which would otherwise be a hyphen."""
    return f"${text[0]}${text[1:]}" if text[:1] == "-" and text[1:] else text


def _mark(number: int) -> str:
    return rf"\textsuperscript{{{number}}}"
