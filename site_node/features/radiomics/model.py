"""What all settings are made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Spacing = tuple[float, float, float]  # mm between voxel centres, (z, y, x)
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
