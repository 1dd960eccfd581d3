"""Random numbers that nobody but a site can know: noise that hides a person, and who is drawn into a step.

They come from the secret of the site's table and from all that a step depends on, people and values included,
by HMAC-SHA256 and ChaCha20. So a step stays pure: the same question about the same rows gives the same bytes,
and another question never meets the same noise, which could be taken out by subtraction. The seed of a spec
would be known to the coordinator, who could then remove the noise.

Normal numbers are rounded to 2^-40 by the secure sum, so the low bits of a double tell nothing of what was
added (Mironov, CCS 2012).
"""

import hashlib
import hmac

from protocols.core.table import AnalysisTable
from protocols.exchange.envelope import pack
from protocols.exchange.keyed_draws import normal as normal
from protocols.exchange.keyed_draws import uniform as uniform


def key_for(table: AnalysisTable, purpose: object) -> bytes:
    """This site's 32 bytes for one purpose: plain data and arrays, all that the numbers are drawn for."""
    return hmac.digest(table.secret, hashlib.sha256(pack(purpose)).digest(), "sha256")
