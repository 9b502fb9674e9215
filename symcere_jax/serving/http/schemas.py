"""What requests may say, and what responses say."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

MAX_K = 1000
MAX_IDS = 1000
MAX_LETTERS = 20_000

Name = Annotated[str, Field(min_length=1, max_length=1000)]
Names = Annotated[list[Name], Field(max_length=MAX_IDS)]
Text = Annotated[str, Field(max_length=MAX_LETTERS)]
K = Annotated[int, Field(strict=True, ge=1, le=MAX_K)]
Flag = Annotated[bool, Field(strict=True)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RecommendRequest(_Request):
    """Recommendations to users of the data."""

    users: Names
    k: K = 10
    exclude_seen: Flag = True
    filter_items: Names | None = None


class NewUserRequest(_Request):
    """Recommendations to somebody who is not in the data."""

    items: Names = []
    texts: Annotated[list[Text], Field(max_length=100)] = []
    k: K = 10
    exclude_seen: Flag = True
    filter_items: Names | None = None


class SimilarRequest(_Request):
    """Items like others."""

    items: Names
    k: K = 10
    filter_items: Names | None = None


class SearchRequest(_Request):
    """Items that fit some words."""

    text: Text
    k: K = 10
    filter_items: Names | None = None


class ExplainRequest(_Request):
    """What a score comes from."""

    user: Name
    item: Name


class Item(BaseModel):
    """An item and its score."""

    item_id: str
    score: float


class Ranking(BaseModel):
    """Items, the best first, for what was asked."""

    id: str | None
    items: list[Item]
    unknown_words: list[str] | None = None


def ranking(name: str | None, found: list, unknown: list[str] | None = None) -> dict[str, Any]:
    """A ranking of the recommender as a response says it.

    Args:
        name: id of the user or item that it is for.
        found: of `Recommender`.
        unknown: words that did not count; None where no words were given.
    """
    items = [{"item_id": item, "score": score} for item, score in found]
    return {"id": name, "items": items} | ({} if unknown is None else {"unknown_words": unknown})
