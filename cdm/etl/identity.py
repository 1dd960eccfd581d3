"""The keys of rows and persons: 63-bit keyed hashes of the source's own identifiers.

A key depends on nothing but the site's secret and the identifier. So a reference resolves before the record
that it names has arrived, two loads of one file give the same keys, and nobody without the secret can go from
a person_id back to a patient id by trying all of them. Among ten million rows two keys meet with p < 1e-5.
"""

from collections.abc import Mapping
from hashlib import blake2b

SEPARATOR = "\x1f"  # stands in no identifier, so that ("a", "bc") and ("ab", "c") differ


class Identity:
    """The keys of one site: `key` is its pseudonym key, `links` says which patient ids are one person.

    A link is `(source, patient id) -> patient id to use`, read from the site's linkage file. Without a link
    the same patient id means the same person in every source. `merged` says which patient ids are replaced by
    which, as the sources' own Patient records tell.
    """

    def __init__(
        self,
        key: bytes,
        links: Mapping[tuple[str, str], str] | None = None,
        merged: Mapping[str, str] | None = None,
    ) -> None:
        self._key = key
        self._links = dict(links or {})
        self._merged = dict(merged or {})
        self._keyed = blake2b(digest_size=8, key=key)

    def after(self, merged: Mapping[str, str]) -> "Identity":
        """The identity where patient ids are replaced by others, after the links."""
        return Identity(self._key, self._links, merged)

    def name(self, source: str, patient_id: str) -> str:
        """The patient id to use for one of a source, by the site's links alone."""
        return self._links.get((source, patient_id), patient_id)

    def survivor(self, name: str) -> str:
        """The patient id that stands for `name` after all merges; of a circle of them the smallest."""
        path: list[str] = []
        while name in self._merged and name not in path:
            path.append(name)
            name = self._merged[name]
        return min(path[path.index(name) :]) if name in path else name

    def hash63(self, *parts: str) -> int:
        """A positive 63-bit number; never 0, which OMOP keeps for "no concept"."""
        keyed = self._keyed.copy()  # the keyed state is made once: half the price of a new hash
        keyed.update(SEPARATOR.join(parts).encode())
        return (int.from_bytes(keyed.digest(), "big") >> 1) or 1

    def row_id(self, source: str, record_id: str, table: str, part: str = "") -> int:
        """The key of a row that `record_id` (`Observation/1`) makes in `table`; `part` tells rows apart."""
        return self.hash63("row", source, record_id, table, part)

    def person_id(self, source: str, patient_id: str) -> int:
        """The person_id of a patient id as `source` writes it (Patient.id, PatientID, barcode)."""
        return self.hash63("person", self.survivor(self.name(source, patient_id)))

    def shared_id(self, table: str, uid: str) -> int:
        """The key of a row that several sources tell of by one worldwide name, as a DICOM UID is."""
        return self.hash63("shared", table, uid)

    def text_pseudonym(self, text: str) -> str:
        """What stands in the CDM for a text that may name somebody; equal texts have equal pseudonyms."""
        return f"text:{self.hash63('text', text):016x}"
