"""What a site decides about its mapping: named choices, recorded with every load (f2o-061, f2o-092)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Profile(BaseModel):
    """The choices of one site; another choice maps every record anew.

    `medication_intent`: by the guide only an `instance-order` is an exposure, which leaves most hospitals
    without any drug; `orders-as-prescriptions` takes an order as what it is, a prescription that was written
    (type concept 32838). `notes`: a report's text holds names, so a note says that there is a text and no
    more, unless the site keeps it `verbatim`. `free_text`: likewise of answers that are not coded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    medication_intent: Literal["strict", "orders-as-prescriptions"] = "orders-as-prescriptions"
    notes: Literal["withheld", "verbatim"] = "withheld"
    free_text: Literal["pseudonym", "verbatim"] = "pseudonym"
