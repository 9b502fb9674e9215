"""What requests may say, and what responses say."""

from typing import Annotated

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
    """An item and its score; its title where the data has titles, null if this one has none."""

    item_id: str
    score: float
    title: str | None = None


class UserRanking(BaseModel):
    """Items for a user, the best first."""

    user_id: str
    items: list[Item]


class NewUserRanking(BaseModel):
    """Items for somebody who has no id, the best first."""

    user_id: None
    items: list[Item]
    unknown_words: list[str]


class ItemRanking(BaseModel):
    """Items like an item, the most similar first."""

    item_id: str
    items: list[Item]


class TextRanking(BaseModel):
    """Items that fit some words, the best first."""

    text: str
    items: list[Item]
    unknown_words: list[str]
