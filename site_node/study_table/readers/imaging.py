"""Readers of the imaging kinds: features of regions, scores of readers, and the scanners that made them."""

from cdm.etl.imaging.image_feature import radiomic_name
from protocols.core.variables.imaging import ImageFeature, Radiomic, Response, Scanner
from site_node.features.clinical import Labels
from site_node.study_table import lesions, records
from site_node.study_table.people import People
from site_node.study_table.readers.reader import ColumnReader, Columns, LabelReader


def image_feature(variable: ImageFeature, people: People) -> Columns:
    return (records.scores(people, variable.feature),)


def radiomic(variable: Radiomic, people: People) -> Columns:
    names = [
        radiomic_name(variable.modality, variable.region, tag, variable.filter)
        for tag in radiomic_tags(variable.feature)
    ]
    return (records.radiomics(people, names),)


def scanner(variable: Scanner, people: People) -> Labels:
    return records.scanners(people, variable.modality, variable.by)


def response(variable: Response, people: People) -> Columns:
    return (lesions.response(variable, people),)


def radiomic_tags(feature: str) -> list[str]:
    """The tags that a study may mean: itself, then those of that IBSI name or code, volumetric ones first."""
    from site_node.features.radiomics.extraction import MODULES  # the kernels load only for a study that asks
    from site_node.features.radiomics.feature import AGGREGATION_CODES

    definitions = [one for module in MODULES.values() for one in module.FAMILY.definitions]
    wanted = feature.casefold()
    tags = [
        one.tag
        for one in definitions
        if wanted in (one.tag.casefold(), one.name.casefold(), one.code.casefold())
    ]
    volumetric_first = sorted(AGGREGATION_CODES, key=lambda name: not name.startswith("3D"))
    return [feature, *tags, *(f"{tag}_{name}" for tag in tags for name in volumetric_first)]


READERS = (
    ColumnReader(ImageFeature, image_feature),
    ColumnReader(Radiomic, radiomic),
    LabelReader(Scanner, scanner),
    ColumnReader(Response, response),
)
