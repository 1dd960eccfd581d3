"""Blocks in a study: named by a rule, known by the hash of a public list, and small however wide they are."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cdm.vocabulary.genes import gene_names
from protocols.core import axis
from protocols.core.axis import axis_of, names_on, published
from protocols.core.block import ArrayBlock
from protocols.core.block_kinds import lists_of
from protocols.core.errors import Code, InputError, SpecError
from protocols.core.study import Study, parse_study, read_study
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.genomics.associate import AssociateSpec
from tests.lib.studies import a_study, a_study_of

SCAN = {"protocol": "associate", "features": {"block": "rna"}, "outcomes": ["age"]}


def study(blocks: dict[str, Any], **changes: Any) -> Study:
    return a_study(blocks=blocks, analyses=[{"name": "scan", "spec": {**SCAN, **changes}}])


def features(found: Study) -> axis.FromBlock:
    spec = found.analysis("scan").spec
    assert isinstance(spec, AssociateSpec)
    assert isinstance(spec.features, axis.FromBlock)
    return spec.features


def test_all_genes_are_a_small_study_that_is_parsed_in_milliseconds() -> None:
    """The names are never made where a study is only parsed; the bound is ten times what was measured."""
    wide = study({"rna": {"kind": "expression", "genes": "all"}})
    assert features(wide).size == len(gene_names().symbols()) > 40_000
    data = wide.canonical()
    assert len(data) < 2_000
    began = time.process_time()
    assert parse_study(data) == wide
    assert time.process_time() - began < 0.05


def test_a_study_carries_the_hash_of_its_list_and_no_name() -> None:
    found = study({"rna": {"kind": "expression", "genes": "all"}})
    content = json.loads(found.canonical())
    stated = axis_of(gene_names().symbols()).model_dump()
    assert content["blocks"]["rna"] == {
        "kind": "expression",
        "genes": "all",
        "unit": "log2_tpm",
        "axis": stated,
    }
    assert content["analyses"][0]["spec"]["features"] == {"block": "rna", "axis": stated}
    assert b"IDH1" not in found.canonical()


def test_a_study_without_blocks_has_the_hash_that_it_always_had() -> None:
    assert b"blocks" not in a_study().canonical()


def test_a_file_names_the_block_alone(tmp_path: Path) -> None:
    glcm = {"kind": "radiomic", "modality": "CT", "region": "GTV", "features": {"family": "glcm"}}
    content = a_study().model_dump(mode="json", by_alias=True, exclude={"blocks", "shown_per"})
    content |= {"blocks": {"rna": glcm}, "analyses": [{"name": "scan", "spec": SCAN}]}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(content))
    found = read_study(tmp_path / "s.yaml")
    assert features(found).names()[:2] == ("rna:none:cm_joint_max_3D_avg", "rna:none:cm_joint_avg_3D_avg")
    assert features(found).size == 25
    assert parse_study(found.canonical()).hash() == found.hash()


def test_families_filters_and_aggregations_multiply() -> None:
    rule = {
        "family": ["glcm", "glszm", "intensity"],
        "aggregations": ["3D_avg", "3D_comb"],
        "filters": ["none", "log"],
    }
    block = {"kind": "radiomic", "modality": "MR", "region": "tumor", "features": rule}
    assert features(study({"rna": block})).size == 2 * (2 * 25 + 16 + 18)


@pytest.mark.parametrize(
    ("blocks", "spec", "fault"),
    [
        ({}, {}, "no such block: rna; the study has none"),
        ({"rna": {"kind": "expression", "genes": []}}, {}, "blocks.rna"),
        ({"rna": {"kind": "expression", "genes": ["IDH1", "IDH1"]}}, {}, "listed twice on an axis"),
        ({"rna": {"kind": "variants", "genes": "all"}}, {}, "blocks.rna"),
        (
            {"rna": {"kind": "expression", "genes": ["IDH1"]}},
            {"features": {"block": "rna", "axis": {"sha256": "0" * 64, "size": 1}}},
            "another axis than the analysis says",
        ),
        ({"rna": {"kind": "expression", "genes": ["IDH1"]}}, {"outcomes": ["rna"]}, "no such variable: rna"),
    ],
)
def test_a_wrong_block_is_told_when_the_study_is_parsed(
    blocks: dict[str, Any], spec: dict[str, Any], fault: str
) -> None:
    content = {
        **a_study().model_dump(mode="json", by_alias=True),
        "blocks": blocks,
        "analyses": [{"name": "scan", "spec": {**SCAN, **spec}}],
    }
    with pytest.raises(InputError, match=fault) as raised:
        parse_study(json.dumps(content).encode())
    assert raised.value.code is Code.INVALID_STUDY


def test_an_analysis_outside_a_study_does_not_know_how_wide_a_block_is() -> None:
    with pytest.raises(SpecError, match="known only inside a study"):
        _ = axis.FromBlock(block="rna").size


def test_a_list_that_is_not_known_here_leaves_the_names_as_positions() -> None:
    unknown = axis.FromBlock(block="rna", axis=axis.Axis(sha256="1" * 64, size=2))
    assert unknown.names() == ("rna:[0]", "rna:[1]")


def test_a_list_that_has_another_hash_than_it_says_is_not_believed() -> None:
    said = axis.Axis(sha256="2" * 64, size=2)
    axis.publish(said, lambda: ("IDH1", "TP53"))
    assert names_on(said) is None


@pytest.mark.parametrize("names", [[], ["a", "a"], [""], ["a\nb"], ["x" * 101]])
def test_an_axis_has_distinct_plain_names(names: list[str]) -> None:
    with pytest.raises(SpecError) as raised:
        axis_of(names)
    assert raised.value.code is Code.INVALID_STUDY


def test_a_table_with_another_list_does_not_answer() -> None:
    scan = {"name": "scan", "spec": {**SCAN, "outcomes": ["y"]}}
    asked = a_study_of(["y"], scan, blocks={"rna": {"kind": "expression", "genes": ["IDH1", "TP53"]}})
    rng = np.random.default_rng(0)
    tables = [
        AnalysisTable(
            site,
            np.arange(30),
            {"y": rng.normal(size=30)},
            blocks={"rna": ArrayBlock(("TP53", "IDH1"), rng.normal(size=(30, 2)))},
        )
        for site in "abc"
    ]
    failure = run_locally(asked, tables).results["scan"]
    assert failure.code is Code.UNKNOWN_VARIABLE


def test_published_names_are_found_by_their_hash() -> None:
    assert names_on(published(["B", "A"])) == ("B", "A")


def manifest(folder: Path, *names: str) -> Path:
    """A study beside the file of names on which its block stands."""
    (folder / "epic.txt").write_text("\n".join((*names, "", "")))
    content = a_study().model_dump(
        mode="json", by_alias=True, exclude={"blocks", "shown_per"}, exclude_none=True
    )
    probes = {"kind": "methylation", "probes": {"file": "epic.txt"}}
    content |= {"blocks": {"rna": probes}, "analyses": [{"name": "scan", "spec": SCAN}]}
    (folder / "s.yaml").write_text(yaml.safe_dump(content))
    return folder / "s.yaml"


def test_a_list_in_a_file_is_named_by_its_hash(tmp_path: Path) -> None:
    found = read_study(manifest(tmp_path, "cg1", "cg2", "cg3"))
    block = json.loads(found.canonical())["blocks"]["rna"]
    assert block["probes"] == "listed"
    assert block["axis"] == axis_of(["cg1", "cg2", "cg3"]).model_dump()
    assert lists_of(found.blocks, of_rules=False) == {"rna": ("cg1", "cg2", "cg3")}


@pytest.mark.parametrize(("names", "fault"), [(("cg1", "cg1"), "listed twice"), ((), "from 1 to")])
def test_a_file_that_is_not_a_list_is_refused(tmp_path: Path, names: tuple[str, ...], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        read_study(manifest(tmp_path, *names))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = manifest(tmp_path, "cg1")
    (tmp_path / "epic.txt").unlink()
    with pytest.raises(InputError, match=r"there is no list of names epic\.txt"):
        read_study(path)


def test_a_list_known_by_its_hash_alone_needs_its_axis() -> None:
    with pytest.raises(ValueError, match="comes from a file"):
        study({"rna": {"kind": "methylation", "probes": "listed"}})


def test_kept_lists_are_found_in_a_folder_that_is_looked_in(tmp_path: Path) -> None:
    names = ("only", "kept", "here")
    path = axis.keep_list(tmp_path, names)
    assert names_on(axis_of(names)) is None
    axis.look_in(tmp_path)
    assert names_on(axis_of(names)) == names
    path.write_text("only\nkept\nthere")
    other = axis.keep_list(tmp_path, ("another", "list"))
    other.write_text("not\nthat")
    assert names_on(axis_of(("another", "list"))) is None
