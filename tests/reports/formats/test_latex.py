"""A sheet as LaTeX: nothing unescaped, as many columns everywhere, braces that close."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from reports.formats.latex import escape, render
from reports.results import collect
from reports.sheet import Block, Cell, Heading, Line, Sheet
from reports.tables import disca_table2, disca_table7, efficiency
from tests.reports.formats.test_markdown_format import FULL, sheet
from tests.reports.paper_suite import paper_suite
from tests.reports.regenerate import GOLDEN


def test_everything_a_table_can_have() -> None:
    lines = render(sheet(FULL, Cell("-2.00", 2))).splitlines()
    assert r"Method & Latency (s) $\downarrow$ & Speedup $\uparrow$ \\" in lines
    assert (
        r"a\textbar{}b\textsuperscript{1} & \textbf{1.50} ($-$25.0\%) $\approx$ {\scriptsize {[}1.40, 1.60]}"
        r"\textsuperscript{2} & \underline{$-$2.00x} \\"
    ) in lines
    assert r"\begin{tabular}{lrr}" in lines
    assert any(line.startswith(r"{\footnotesize Bold is the best and underlined the second-best") for line in lines)


@pytest.mark.parametrize("text", ["50% & more_$#", "{a} ~b^c \\d", "[x] <y>"])
def test_escape_leaves_no_command(text: str) -> None:
    bare = re.sub(r"\\[%&$#_{}]|\\text\w+\{\}|\{\[\}|\$\\approx\$", "", escape(text))
    assert not re.search(r"[\\%&$#_{}~^<>\[]", bare)


def test_words_are_left_and_numbers_right() -> None:
    made = Sheet("T", (Block("B", (Heading("V", text=True), Heading("x")), (Line("a", (Cell("w"), Cell("1"))),)),))
    assert r"\begin{tabular}{llr}" in render(made)


@pytest.mark.parametrize("table", [disca_table2, disca_table7, efficiency])
def test_whole_tables_are_well_formed(table: object) -> None:
    source = paper_suite()
    text = render(table.sheet(collect(source, source.suite)))  # type: ignore[attr-defined]
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    for tabular in re.findall(r"\\begin\{tabular\}\{(l+r*)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        rows = re.findall(r"^(.*)\\\\$", tabular[1], re.MULTILINE)
        assert rows
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(tabular[0]) - 1}
        assert [rule for rule in re.findall(r"\\(\w+rule)", tabular[1])] == ["toprule", "midrule", "bottomrule"]
    assert text.isascii() or set(re.findall(r"[^\x00-\x7f]", text)) == set()


@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="pdflatex is not installed: apt install texlive-latex-base"
)
def test_latex_takes_it_and_no_table_is_wider_than_the_page(tmp_path: Path) -> None:
    table = (GOLDEN / "disca_table7.tex").read_text(encoding="utf-8")
    needs = re.findall(r"^% (\\usepackage\{.*\})$", table, re.MULTILINE)
    document = ["\\documentclass{article}", *needs, "\\begin{document}", table, "\\end{document}"]
    (tmp_path / "table.tex").write_text("\n".join(document), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout
    assert (tmp_path / "table.pdf").is_file()
    assert "Overfull" not in ran.stdout
