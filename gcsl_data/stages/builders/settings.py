"""What a person may decide about the datasets that builders make."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

WeightMethod = Literal["exp", "standard", "group-standard", "quality"]
AttributeValues = Literal["rounded", "levels"]


class BuildStage(BaseModel):
    """How records become pairs, labelled or weighted rows, or groups."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    pairs_top: Annotated[int, Field(ge=1)] | Literal["all"] = 5
    """How many pairs of each prompt are kept, those with the largest gaps; or all."""
    min_gap: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """The rewards of a pair differ by more than this."""
    distinct_members: bool = False
    """No record is in two pairs: the best is paired with the worst, the second best with the second worst."""
    smoothing_max: float = Field(default=0.0, ge=0, lt=0.5)
    """Label smoothing of a pair whose rewards are all but equal; it falls to 0 at the largest gap."""
    negatives: int = Field(default=3, ge=1)
    """The most responses that are rejected for one that is chosen."""
    best: int = Field(default=1, ge=1)
    """How many records of each group are its best."""
    weight_method: WeightMethod = "exp"
    """How a reward becomes a weight."""
    beta: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Temperature of exp weights, in the unit of the reward: smaller means a sharper preference."""
    max_weight: float = Field(default=20.0, gt=0, allow_inf_nan=False)
    """Exp weights are clipped here."""
    attribute_values: AttributeValues = "rounded"
    """Attributes as rounded ratings, or as levels of their bins."""

    @property
    def top(self) -> int | None:
        """The number of pairs for each prompt; None means all."""
        return None if self.pairs_top == "all" else self.pairs_top
