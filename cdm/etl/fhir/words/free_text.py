"""Words that a source wrote instead of a code: only those that name nobody enter the CDM (f2o-022).

A text is kept as it is where it is a plain answer (`positive`, `left`, `12.5`, `<5`, `1:160`, `2+`) or the
site's profile says `free_text: verbatim`. Any other text is replaced by a keyed pseudonym, so that equal
answers can still be counted. `data unmapped` lists them from the provenance tables, which no analysis reads,
and `data map` (with `text` as the vocabulary) gives them concepts.
"""

import re

from cdm.etl.context import NAME_LENGTH, Context

TEXT = "text"  # the vocabulary under which a site maps texts
# Up to five digits, perhaps with a sign, a comparison, a share or a titre: no date, no identifier.
NUMBER = re.compile(r"[<>]?=?\s?[+-]?\d{1,5}([.,]\d{1,6})?\s?(%|\+{1,4}|[:/]\s?\d{1,5}([.,]\d{1,3})?)?")
ANSWERS = """
yes no true false unknown other none n/a pending normal abnormal high low trace mild moderate severe
positive negative indeterminate equivocal borderline inconclusive detected not_detected reactive nonreactive
present absent increased decreased stable improved worse active inactive complete partial progressive
left right bilateral midline central anterior posterior superior inferior medial lateral
i ii iii iv iia iib iic iiia iiib iiic iva ivb
"""
PLAIN = frozenset(ANSWERS.split())


def kept_text(text: str, context: Context) -> str:
    """The text itself where it may stand in the CDM, else its pseudonym."""
    word = text.strip()[:NAME_LENGTH].replace("\x00", "")
    if not word or NUMBER.fullmatch(word):
        return word
    context.resolve(TEXT, word)  # counts it, if the site has not mapped it
    is_plain = word.lower().replace(" ", "_") in PLAIN
    if is_plain or context.profile.free_text == "verbatim":
        return word
    return context.text_pseudonym(word)
