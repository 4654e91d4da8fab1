"""The suite: what is wrong is said in one line each, with file, line, key, value and the nearest match."""

from __future__ import annotations

import copy
import re

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError, SuiteError
from harness.plan import make_plan
from harness.suite import Suite, load_suite

GOOD = """\
suite: small
models:
  tiny:
    family: wan
    model: some/hub
    sampling:
      width: 480
      guidance_scale: 5
prompts:
  - a red circle
  - a blue square
samples: 2
seeds: vbench-wan
methods:
  - method: original
  - method: fora
    cache_interval: [2, 3]
  - method: pab
    timestep_skip_range: [100, 800]
metrics: [psnr, shapes]
fleet:
  workers: 2
"""

PROMPTS = "prompts:\n  - a red circle\n  - a blue square"
INTERVALS = "    cache_interval: [2, 3]"


@pytest.fixture
def write(tmp_path):
    def to_file(text):
        path = tmp_path / "small.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return to_file


@pytest.fixture
def complaint(write, tmp_path):
    """The lines a suite file is refused with, the folder taken off. Also plans, where methods' fields are checked."""

    def of(text):
        with pytest.raises(SuiteError) as caught:
            make_plan(load_suite(write(text)))
        return str(caught.value).replace(f"{tmp_path}/", "").split("\n")

    return of


def test_a_good_suite_is_read_as_written(write):
    loaded = load_suite(write(GOOD))
    assert loaded.prompts == ("a red circle", "a blue square")
    assert loaded.suite.models["tiny"].sampling.width == 480
    assert loaded.suite.models["tiny"].sampling.guidance_scale == 5.0
    assert loaded.suite.methods[1].config == {"cache_interval": [2, 3]}
    assert loaded.suite.metrics == ["psnr", "shapes"]
    assert loaded.text == GOOD


def test_only_models_prompts_and_methods_are_needed_and_the_file_gives_the_name(write):
    loaded = load_suite(write("models: {a: {family: wan, model: x}}\nprompts: [b]\nmethods: [{method: original}]\n"))
    assert (loaded.suite.suite, loaded.suite.samples, loaded.suite.seeds) == ("small", 1, "index")


def test_anchors_and_merges_work(write):
    text = GOOD.replace("  tiny:\n", "  tiny: &tiny\n").replace(
        "prompts:\n", "  other:\n    <<: *tiny\n    dtype: float32\nprompts:\n"
    )
    models = load_suite(write(text)).suite.models
    assert (models["other"].model, models["other"].dtype, models["tiny"].dtype) == ("some/hub", "float32", "bfloat16")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        # Unknown keys, at every level.
        ("samples: 2", "sample: 2", ":12: sample: unknown key; did you mean 'samples'?"),
        (
            "    model: some/hub",
            "    modle: x\n    model: y",
            ":5: models.tiny.modle: unknown key; did you mean 'model'?",
        ),
        ("      width: 480", "      widht: 480", ":7: models.tiny.sampling.widht: unknown key; did you mean 'width'?"),
        ("  workers: 2", "  wokers: 2", ":22: fleet.wokers: unknown key; did you mean 'workers'?"),
        (
            INTERVALS,
            "    cache_intervall: 2",
            ":17: methods.1.cache_intervall: fora has no such field; did you mean 'cache_interval'?",
        ),
        (
            "  - method: original",
            "  - method: original\n    steps: 3",
            ":16: methods.0.steps: original has no such field; it has none, so remove it",
        ),
        # Unknown names.
        ("family: wan", "family: wam", ":4: models.tiny.family: unknown family 'wam'; did you mean 'wan'?"),
        ("method: fora", "method: foro", ":16: methods.1.method: unknown method 'foro'; did you mean 'fora'?"),
        ("[psnr, shapes]", "[pnsr]", ":20: metrics: unknown metric 'pnsr'; did you mean 'psnr'?"),
        (
            INTERVALS,
            "    cache_interval: 2\n    models: [tinny]",
            ":18: methods.1.models: unknown model 'tinny'; did you mean 'tiny'?",
        ),
        # Wrong units, types and ranges.
        ("480", "480p", ":7: models.tiny.sampling.width: input should be a valid integer, not '480p'"),
        ("480", "480.0", ":7: models.tiny.sampling.width: input should be a valid integer, not 480.0"),
        ("480", "0", ":7: models.tiny.sampling.width: input should be greater than or equal to 8, not 0"),
        ("guidance_scale: 5", "guidance_scale: .nan", ":8: models.tiny.sampling.guidance_scale: input should be"),
        ("samples: 2", "samples: true", ":12: samples: input should be a valid integer, not True"),
        ("samples: 2", "fps: .inf", ":12: fps: input should be a finite number, not inf"),
        ("[2, 3]", "[2, '3']", ":17: methods.1.cache_interval: input should be a valid integer, not '3'"),
        ("[100, 800]", "[.nan, 800]", ":19: methods.2.timestep_skip_range: input should be a finite number, not"),
        ("[100, 800]", "[800, 100]", ":18: methods.2: pab: timestep_skip_range is (800, 100); give two timesteps"),
        ("[100, 800]", "[1, 2, 3]", ":19: methods.2.timestep_skip_range: tuple should have at most 2 items"),
        # Nulls.
        ("samples: 2", "samples:", ":12: samples: input should be a valid integer, not None"),
        ("    model: some/hub", "    model:", ":5: models.tiny.model: input should be a valid string, not None"),
        (
            "    sampling:\n      width: 480\n      guidance_scale: 5",
            "    sampling:",
            ":6: models.tiny.sampling: give a mapping",
        ),
        (INTERVALS, "    cache_interval:", ":17: methods.1.cache_interval: input should be a valid integer, not None"),
        # Missing and empty.
        ("    family: wan\n", "", ":3: models.tiny.family: is missing; add it"),
        ("    cache_interval: [2, 3]\n", "", ":16: methods.1: fora needs cache_interval; add it"),
        ("[2, 3]", "[]", ":17: methods.1.cache_interval: is an empty list, so there would be no row; give a value"),
        (PROMPTS, "prompts: []", ":9: prompts: is empty; give at least one"),
        ("  - a blue square", "  - '  '", ":9: prompts: a prompt is empty; leave it out"),
        (INTERVALS, "    cache_interval: 2\n    models: []", ":18: methods.1.models: is empty; give at least one"),
        # Twice.
        ("  - a blue square", "  - a red circle", ":9: prompts: prompt 'a red circle' is there twice; use samples"),
        ("samples: 2", "samples: 2\nsamples: 3", ":13: samples: given twice; keep one"),
        (
            "      width: 480",
            "      width: 480\n      width: 8",
            ":8: models.tiny.sampling.width: given twice; keep one",
        ),
        ("[2, 3]", "[2, 2]", ":16: methods.1: row 'fora (cache_interval=2)' is the same as row"),
        (INTERVALS, "    cache_interval: 2\n    name: original", ":16: methods.1: a second row is called 'original'"),
        (
            "[psnr, shapes]",
            "[psnr, psnr]",
            ":20: metrics: metrics ['psnr', 'psnr'] names one twice; leave the second out",
        ),
        # Seeds.
        (
            "vbench-wan",
            "fixed:3",
            ":13: seeds: samples is 2 with seeds 'fixed:3': all would be one video; use seeds: index",
        ),
        ("vbench-wan", "vbench", ":13: seeds: seeds is 'vbench'; use one of index, vbench-wan, fixed:N"),
        # Names that cannot be used.
        ("suite: small", "suite: so small", ":1: suite: string should match pattern"),
        ("  - a blue square", "  - red/blue", ":9: prompts: prompt 'red/blue' has a '/'"),
        ("  - a blue square", '  - "a\\0b"', ":11: prompts.1: 'a\\x00b' holds a character"),
        ("  - a blue square", '  - "\\ud800"', ":11: prompts.1: '\\ud800' holds a character"),
        ("  tiny:", "  7:", ":3: models.7: a key is 7; keys are text, so put it in quotes"),
        ("samples: 2", '"in\\nt": 2', ":12: 'in\\nt': unknown key"),
        ("samples: 2", "str: 2", ":12: str: unknown key"),
        ("samples: 2", "[a, b]: 2", ":12: a key is a list or a mapping; use plain text"),
        # Files.
        (PROMPTS, "prompts: {file: none.txt}", ":9: prompts.file: 'none.txt' cannot be read (No such"),
        (PROMPTS, "prompts: {fil: x}", ":9: prompts.file: is missing; add it"),
        (PROMPTS, "prompts: 5", ":9: prompts: give a list of prompts, or a mapping with the key file or vbench, not 5"),
        ("some/hub", "./nowhere", ":5: models.tiny.model: './nowhere' is no pipeline folder (no model_index.json in"),
        # Values YAML makes something odd of.
        ("samples: 2", "samples: 2001-99-99", ":12: not valid YAML: '2001-99-99' is no timestamp; put it in quotes"),
        (
            "samples: 2",
            "samples: !!python/object:os.system 2",
            ":12: not valid YAML: could not determine a constructor",
        ),
        ("samples: 2", "samples: [2", ":13: not valid YAML"),
        ("samples: 2", "description: &a [*a]", ": lists or mappings are nested too deeply"),
    ],
)
def test_one_line_says_file_line_key_value_and_remedy(complaint, old, new, line):
    assert GOOD.count(old) == 1
    lines = complaint(GOOD.replace(old, new))
    assert any(said.startswith(f"small.yaml{line}") for said in lines), lines
    assert all(re.match(r"small\.yaml(:\d+)?: ", said) for said in lines)


@pytest.mark.parametrize("text", ["", "- a\n", "5\n", "null\n", "just text\n"])
def test_a_file_that_is_no_mapping_is_refused(complaint, text):
    assert complaint(text) == ["small.yaml:1: a suite is a mapping of keys to values; see suites/suite.schema.json"]


def test_everything_wrong_is_said_at_once(complaint):
    lines = complaint(GOOD.replace("480", "480p").replace("samples: 2", "sampels: 2").replace("psnr", "pnsr"))
    assert [line.split(": ")[1] for line in lines] == ["models.tiny.sampling.width", "metrics", "sampels"]


def test_a_missing_file_and_a_binary_one_are_named(tmp_path):
    with pytest.raises(SuiteError, match=r"none\.yaml: cannot be read \(No such file"):
        load_suite(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SuiteError, match=r"binary\.yaml: cannot be read \(not UTF-8 text\)"):
        load_suite(tmp_path / "binary.yaml")
    with pytest.raises(SuiteError, match="Is a directory"):
        load_suite(tmp_path)


class TestPromptFile:
    text = GOOD.replace(PROMPTS, "prompts:\n  file: lists/words.txt")

    @pytest.fixture
    def words(self, tmp_path):
        (tmp_path / "lists").mkdir()
        return tmp_path / "lists" / "words.txt"

    def test_lies_beside_the_suite_and_holds_one_prompt_a_line(self, write, words):
        words.write_text("one\n\n  two  \nthree\n")
        assert load_suite(write(self.text)).prompts == ("one", "two", "three")
        assert load_suite(write(self.text.replace("words.txt", "words.txt\n  limit: 2"))).prompts == ("one", "two")

    @pytest.mark.parametrize(
        ("content", "limit", "said"),
        [
            (b"one\none\n", None, "small.yaml:10: prompts.file: words.txt: prompt 'one' is there twice"),
            (b"\n\n", None, "small.yaml:10: prompts.file: words.txt has no prompts; put one on each line"),
            (b"one\n", 2, "small.yaml:11: prompts.limit: 2 prompts wanted, words.txt has 1; lower the limit"),
            (b"\xff\n", None, "small.yaml:10: prompts.file: 'lists/words.txt' cannot be read (not UTF-8 text)"),
        ],
    )
    def test_what_is_wrong_with_it_is_said_where_it_is_named(self, complaint, words, content, limit, said):
        words.write_bytes(content)
        text = self.text if limit is None else self.text.replace("words.txt", f"words.txt\n  limit: {limit}")
        (line,) = complaint(text)
        assert line.startswith(said)


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 9),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(
        ["wan", "fora", "fixed:3", "./x", "480p", "a/b", "file", {"file": "small.yaml"}, {"method": "pab"}]
    ),
    st.lists(st.one_of(st.integers(), st.text(max_size=3), st.none()), max_size=3),
    st.dictionaries(st.one_of(st.text(max_size=4), st.integers(), st.booleans(), st.none()), st.integers(), max_size=2),
)


def places(value, at=()):
    """Every place in nested lists and mappings."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*at, key))


@st.composite
def mutated(draw):
    """A good suite with some values replaced, some keys removed, some added."""
    data = copy.deepcopy(yaml.safe_load(GOOD))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from([place for place in places(data) if place]))
        owner = data
        for key in place[:-1]:
            owner = owner[key]
        action = draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "remove":
            del owner[place[-1]]
        elif action == "replace":
            owner[place[-1]] = draw(ODD)
        elif isinstance(owner, dict):
            owner[draw(st.one_of(st.text(max_size=5), st.integers(0, 3), st.none()))] = draw(ODD)
        else:
            owner.append(draw(ODD))
        if not any(places(data)):
            break
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False)


PIECES = ["&a ", "*a", "<<: ", "!!int ", "!!set ", "? ", "- ", ": ", "{", "[", "\n", "'", "._", "0b_", "\t", "|", "1:2"]


def accept_or_explain(path):
    """Load and plan: success, or an error of ours whose every line names the file."""
    try:
        plan = make_plan(load_suite(path))
    except HarnessError as error:
        lines = str(error).split("\n")
        assert all(line.startswith(str(path)) and line.isprintable() for line in lines), lines
        return
    assert plan.rows
    assert len({task.cell_id for task in plan.tasks()}) == plan.cells
    plan.manifest()


FUZZ = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(text=mutated())
def test_no_value_makes_it_raise_anything_else(tmp_path, text):
    """A wrong suite is never a traceback."""
    path = tmp_path / "small.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    accept_or_explain(path)


@FUZZ
@given(data=st.data())
def test_no_text_makes_it_raise_anything_else(tmp_path, data):
    """Nor is one that is hardly YAML any more."""
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        piece = data.draw(
            st.one_of(
                st.text(max_size=4),
                st.sampled_from(PIECES),
            )
        )
        text = text[:start] + piece + text[start + cut :]
    path = tmp_path / "small.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    accept_or_explain(path)


def test_a_suite_cannot_be_changed_once_read(write):
    suite = load_suite(write(GOOD)).suite
    with pytest.raises(ValueError, match="frozen"):
        suite.samples = 3
    assert isinstance(suite, Suite)
