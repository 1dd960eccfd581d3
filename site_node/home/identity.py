"""Who is who at this site: the pseudonym key, and the linkage file that joins the sources' patient ids."""

import csv

from cdm.etl import Identity
from protocols.core.errors import Code, InputError
from site_node.home.config import SiteConfig

LINKAGE = "linkage.csv"
COLUMNS = {"source", "patient_id", "same_as"}


def site_identity(config: SiteConfig) -> Identity:
    """The keys of this site.

    `linkage.csv` in the site's folder, if there is one, says which ids are one person: in `source` the
    patient `patient_id` is the patient whom the others call `same_as`. Without a line an id means the same
    person in all sources.

    Raises:
        InputError: the linkage file does not have these three columns.
    """
    path = config.home / LINKAGE
    if not path.is_file():
        return Identity(config.pseudonym_key())
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if not COLUMNS.issubset(reader.fieldnames or ()):
            names = ", ".join(sorted(COLUMNS))
            raise InputError(Code.INVALID_INPUT, f"{LINKAGE} needs the columns {names}")
        links = {(line["source"], line["patient_id"]): line["same_as"] for line in reader}
    return Identity(config.pseudonym_key(), links)
