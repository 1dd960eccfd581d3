"""The words of MAF's column Variant_Classification, whatever case and tool wrote them.

Oncotator and the MAFs of TCGA's first years say more exactly which splice site, start or stop codon changed;
some files hold terms of the Sequence Ontology. Any other word stays as it is.
"""

import re

from cdm.vocabulary.consequences import CLASSIFICATIONS, classification
from site_node.features.genomics.mutation import NONSYNONYMOUS, SYNONYMOUS

WORDS = {word.lower(): word for word in NONSYNONYMOUS | SYNONYMOUS}
TERMS = {term.lower(): term for term in CLASSIFICATIONS}
OTHERS = (  # docs of Oncotator 1.9, of TCGA's MAF 2.0
    (re.compile(r"splice_site_(snp|dnp|tnp|onp|ins|del|indel)"), "Splice_Site"),
    (re.compile(r"(start_codon|translation_start_site)_(snp|dnp|tnp|onp|ins|del)"), "Translation_Start_Site"),
    (re.compile(r"(stop_codon|nonstop_mutation)_(snp|dnp|tnp|onp|ins|del)|read-through"), "Nonstop_Mutation"),
    (re.compile(r"missense"), "Missense_Mutation"),
    (re.compile(r"nonsense"), "Nonsense_Mutation"),
    (re.compile(r"synonymous"), "Silent"),
)


def classification_word(text: str, *, inserts: bool = False) -> str:
    """The word of MAF that a word means; the word itself where that is not known.

    `inserts` is whether the change makes the sequence longer, for terms that do not say so.
    """
    plain = re.sub(r"[\s_]+", "_", text.strip().lower())
    if plain in WORDS:
        return WORDS[plain]
    if plain in TERMS:
        return classification(TERMS[plain], inserts=inserts)
    return next((word for pattern, word in OTHERS if pattern.fullmatch(plain)), text)
