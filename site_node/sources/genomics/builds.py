"""Genome builds under their GRC names; one load holds one."""

MIXED_BUILDS = ("mixed-genome-builds", "the file names more than one genome build; split it by build")
OTHER_BUILD = ("mixed-genome-builds", "an earlier file of this load has another genome build; load it alone")
SPELLINGS = {
    "GRCh36": ("36", "36.1", "ncbi36", "hg18", "grch36"),
    "GRCh37": ("37", "grch37", "hg19", "b37", "hs37d5", "grch37-lite"),
    "GRCh38": ("38", "grch38", "hg38", "b38", "grch38.p14"),
}
NAMES = {spelling: build for build, spellings in SPELLINGS.items() for spelling in spellings}


def build_name(spelling: str) -> str | None:
    """The genome build under its GRC name; None for an empty one, an unknown one as it is written."""
    return NAMES.get(spelling.strip().lower(), spelling.strip()[:25] or None)


class Builds:
    """The genome build of one load: the one that is stated first, and no other."""

    def __init__(self, build: str | None) -> None:
        self.stated = build

    def admits(self, build: str | None) -> bool:
        """Whether a file of this build belongs to the load; a file that names none does."""
        self.stated = self.stated or build
        return build is None or build == self.stated
