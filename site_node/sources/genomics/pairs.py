"""Which samples of a VCF are the normal ones, and of which tumours, as its header says.

`##PEDIGREE=<ID=T1,Original=N1>` (VCF 4.3), `<Derived=T1,Original=N1>` (4.1), `##normal_sample=N1` (Mutect2),
`##SAMPLE=<ID=N1,Genomes=Germline>` (4.1). An original that is itself derived, or that the header calls a
tumour, is the tumour before a relapse. Mother, Father and Child are separate people.
"""

import re

FIELD = re.compile(r'([A-Za-z_]\w*)=("(?:[^"\\]|\\.)*"|[^,>]*)')
GERMLINE_WORDS = frozenset({"germline", "normal", "blood normal", "matched normal"})


class Pairs:
    """What the lines of a header say of tumours and normal samples."""

    def __init__(self) -> None:
        self._originals: dict[str, set[str]] = {}  # derived -> what it is derived from
        self._normals: set[str] = set()
        self._tumours: set[str] = set()

    def read(self, line: str) -> None:
        """Read one line that begins with `##`."""
        key, _, value = line[2:].partition("=")
        match key:
            case "normal_sample":
                self._normals.add(value)
            case "tumor_sample":
                self._tumours.add(value)
            case "PEDIGREE":
                self._read_pedigree(_fields(value))
            case "SAMPLE":
                self._read_sample(_fields(value))

    def _read_pedigree(self, fields: dict[str, str]) -> None:
        derived, original = fields.get("ID") or fields.get("Derived"), fields.get("Original")
        if derived and original and derived != original:
            self._originals.setdefault(derived, set()).add(original)

    def _read_sample(self, fields: dict[str, str]) -> None:
        genomes = {word.strip().lower() for word in fields.get("Genomes", "").split(";") if word.strip()}
        if "ID" in fields and genomes:
            (self._normals if genomes <= GERMLINE_WORDS else self._tumours).add(fields["ID"])

    def normals(self) -> set[str]:
        """The samples that are normal ones."""
        originals = {one for found in self._originals.values() for one in found}
        return (self._normals | (originals - self._originals.keys())) - self._tumours

    def normals_of(self, sample: str) -> set[str]:
        """The normal samples from which this one is derived, over other tumours too; often empty."""
        normals, found, ahead = self.normals(), set(), [sample]
        seen: set[str] = set()
        while ahead:
            one = ahead.pop()
            if one in seen:
                continue
            seen.add(one)
            found |= self._originals.get(one, set()) & normals
            ahead += self._originals.get(one, set()) - normals
        return found


def _fields(value: str) -> dict[str, str]:
    return {key: text.strip('"') for key, text in FIELD.findall(value)}
