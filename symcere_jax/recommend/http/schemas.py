"""What requests may contain, and what answers contain."""

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt

MAX_K = 1000
MAX_IDS = 1000
MAX_LETTERS = 20_000

if TYPE_CHECKING:
    Id = str
else:  # where the data has whole numbers as ids, JSON may have them, too
    Id = Annotated[
        Annotated[str, Field(min_length=1, max_length=1000)] | StrictInt, AfterValidator(str)
    ]
Ids = Annotated[list[Id], Field(max_length=MAX_IDS)]
Text = Annotated[str, Field(max_length=MAX_LETTERS)]
Texts = Annotated[list[Text], Field(max_length=100)]
Flag = Annotated[bool, Field(strict=True)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RankingRequest(_Request):
    """The fields of all requests for rankings."""

    k: Annotated[int, Field(strict=True, ge=1, le=MAX_K)] = 10
    filter_items: Ids | None = None
    exclude_items: Ids = []
    new_items: Annotated[dict[Id, Texts], Field(max_length=100)] = {}


class RecommendRequest(RankingRequest):
    """Recommendations to users of the data."""

    users: Ids
    exclude_seen: Flag = True


class NewUserRequest(RankingRequest):
    """Recommendations to a new user, or to a known one with new items."""

    user: Id | None = None
    items: Ids = []
    texts: Texts = []
    exclude_seen: Flag = True


class SimilarRequest(RankingRequest):
    """Items similar to others."""

    items: Ids


class SearchRequest(RankingRequest):
    """Items that fit some words."""

    text: Text


class ExplainRequest(_Request):
    """The parts of a score."""

    user: Id
    item: Id


class Item(BaseModel):
    """An item, its score, and its title if the data has titles; null if this one has none."""

    item_id: str
    score: float
    title: str | None = None


class Ranking(BaseModel):
    """Items, the best first, for the user, item or text that was asked for."""

    user_id: str | None = None
    item_id: str | None = None
    text: str | None = None
    items: list[Item]
    unknown_words: list[str] | None = None
