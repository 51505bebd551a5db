"""needs.toml."""

from pathlib import Path

import pytest

from choose.evidences import Made, evidence
from shortlist.choose.decide import Manner, decide
from shortlist.choose.needs import parse_need
from shortlist.choose.needsfile import MARGINS, Needs, join_needs, load_needs
from shortlist.errors import BadInput, InvalidFile


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "needs.toml"
    path.write_text(text)
    return path


def test_a_list_of_expressions_an_order_and_margins(tmp_path: Path) -> None:
    read = load_needs(
        written(
            tmp_path,
            'needs = ["p95<2s", "memory<4GB"]\n[prefer]\norder = ["quality", "latency"]\n[margins]\nfacets = 0.03\n',
        )
    )
    assert [need.text for need in read.needs] == ["p95<2s", "memory<4GB"]
    assert read.prefer == ("quality", "latency")
    assert read.margins == {**MARGINS, "facets": 0.03}


def test_a_table_of_figures_with_or_without_quotes_is_the_same(tmp_path: Path) -> None:
    quoted = load_needs(written(tmp_path, '[needs]\n"latency.p95" = "<2s"\nlicence = "commercial"\n'))
    bare = load_needs(written(tmp_path, '[needs]\nlatency.p95 = "< 2s"\nlicence = "=commercial"\n'))
    figures = [(need.figure, need.operator, need.limit) for need in quoted.needs]
    assert figures == [("latency.p95", "<", 2e9), ("licence", "=", "commercial")]
    assert figures == [(need.figure, need.operator, need.limit) for need in bare.needs]


def test_weights_stand_on_declared_scales(tmp_path: Path) -> None:
    read = load_needs(
        written(
            tmp_path,
            "[prefer.weights]\nquality = {weight = 3, worst = 0.5, best = 1.0}\n"
            'latency = {weight = 1, worst = "2s", best = "0s"}\n',
        )
    )
    assert [(w.preference, w.weight, w.worst, w.best) for w in read.weights] == [
        ("quality", 3, 0.5, 1.0),
        ("latency", 1, 2e9, 0.0),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("needs = [", "not TOML"),
        ('need = ["p95<2s"]', "need"),
        ('needs = "p95<2s"', "at needs"),
        ("needs = [2]", r"at needs\[0\]"),
        ('needs = ["p95<2s", "p96<2s"]', r"at needs\[1\]: unknown figure"),
        ('needs = ["p95>2s"]', r"at needs\[0\]"),
        ('needs = ["p95<2s", "p95<3s"]', "two needs on latency.p95"),
        ("[needs]\np95 = 2", "at needs.p95: expected text"),
        ('[needs]\nlatency.p96 = "<2s"', "at needs.latency.p96"),
        ('[prefer]\nfirst = "quality"', "first"),
        ('[prefer]\norder = ["qualty"]', "at prefer.order: unknown preference"),
        ('[prefer]\norder = ["quality", "quality"]', "given twice"),
        ('[prefer]\norder = ["quality"]\n[prefer.weights.latency]\nweight=1\nworst="2s"\nbest="0s"', "not both"),
        ("[prefer.weights.quality]\nweight = 1\nworst = 0.5", "best"),
        ("[prefer.weights.quality]\nweight = 0\nworst = 0.5\nbest = 1", "above zero"),
        ("[prefer.weights.quality]\nweight = 1\nworst = 1\nbest = 0.5", "wrong way round"),
        ("[prefer.weights.latency]\nweight = 1\nworst = 2\nbest = 1", "has no unit"),
        ('[prefer.weights.quality]\nweight = 1\nworst = "bad"\nbest = 1', "not a number"),
        ("[margins]\nspeeds = 0.05", "speeds"),
        ("[margins]\nspeed = -0.05", "at margins.speed"),
        ("[margins]\nspeed = inf", "at margins.speed"),
        ('[margins]\nspeed = "5%"', "at margins.speed"),
    ],
)
def test_a_malformed_file_is_refused_naming_file_and_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidFile, match=said) as refused:
        load_needs(written(tmp_path, text))
    assert "needs.toml" in refused.value.message


def test_a_missing_file_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="cannot be read"):
        load_needs(tmp_path / "none.toml")
    (tmp_path / "needs.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidFile, match="not UTF-8"):
        load_needs(tmp_path / "needs.toml")


def test_typed_needs_join_the_file_and_a_typed_order_replaces_its_own() -> None:
    file = Needs((parse_need("p95<2s"),), ("quality",))
    joined = join_needs(file, [parse_need("memory<1GB")], ("latency",))
    assert [need.text for need in joined.needs] == ["p95<2s", "memory<1GB"]
    assert joined.prefer == ("latency",)
    what_if = join_needs(file, [parse_need("p95<1s")])
    assert [need.text for need in what_if.needs if need.figure == "latency.p95"] == ["p95<1s"]
    with pytest.raises(BadInput, match="two needs on"):
        join_needs(file, [parse_need("p95<1s"), parse_need("p95<3s")])


def test_a_score_of_exact_and_measured_parts_decides_without_a_hitch(tmp_path: Path) -> None:
    (tmp_path / "needs.toml").write_text(
        '[prefer.weights]\nlatency = {weight = 1, worst = "2s", best = "10ms"}\n'
        'footprint = {weight = 1, worst = "20GB", best = "1MB"}\n'
    )
    found = evidence(Made("big", 0.9, latency=1000), Made("small", 0.9, latency=1001))
    made = decide(found, load_needs(tmp_path / "needs.toml"), Manner(draws=0))
    assert made.choice.verdict
    assert any(note.startswith("score: latency 1 (2 s to 10") for note in made.notes)


def test_a_weight_on_a_scale_that_quality_does_not_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "needs.toml").write_text("[prefer.weights]\nquality = {weight = 3, worst = 1, best = 5}\n")
    with pytest.raises(BadInput, match="ends above 1"):
        decide(evidence(Made("a", 0.9)), load_needs(tmp_path / "needs.toml"), Manner(draws=0))
