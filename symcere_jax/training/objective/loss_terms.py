"""The terms of the objective. A term of weight 0 is not built, and costs nothing.

Each term works in three steps, all inside `map_devices`: once per step it draws what it needs and
gathers embeddings, then it computes its loss for each micro-batch.
"""

import abc
import dataclasses
import math
from typing import Any

import flax.struct
import jax

from symcere_jax import losses
from symcere_jax.models import SymCERE
from symcere_jax.settings import NONE, ResolvedSettings
from symcere_jax.training.objective.batch import Batch, draw_candidates
from symcere_jax.training.objective.embeddings import Modality, StepEmbeddings
from symcere_jax.training.objective.microbatch import MicroBatch
from symcere_jax.training.train_inputs import TrainInputs


@flax.struct.dataclass
class Parts:
    """What a term keeps for the micro-batches of a step."""

    # Pytree whose leaves are cut evenly along their first axis, a part a micro-batch.
    rows: Any = ()
    shared: Any = ()  # pytree that all micro-batches read whole


class Term(abc.ABC):
    """A loss term. The defaults draw and gather nothing."""

    def draw(
        self, inputs: TrainInputs, batch: Batch, key: jax.Array, n_micro_batches: int
    ) -> Parts:
        """Draws the integers of a step: items to compare with."""
        return Parts()

    def gather(self, step: StepEmbeddings, batch: Batch, drawn: Parts) -> Parts:
        """Reads embeddings from the nodes; differentiable in the parameters."""
        return Parts()

    @abc.abstractmethod
    def loss(self, micro: MicroBatch, drawn: Parts, gathered: Parts) -> losses.Terms:
        """This device's sum and count for a micro-batch."""


@dataclasses.dataclass(frozen=True)
class CatalogRanking(Term):
    """All items compete for a user: SINCERE over the whole catalog."""

    def gather(self, step: StepEmbeddings, batch: Batch, drawn: Parts) -> Parts:
        return Parts(shared=step.all_items())

    def loss(self, micro: MicroBatch, drawn: Parts, gathered: Parts) -> losses.Terms:
        return micro.rank_items(*gathered.shared)


@dataclasses.dataclass(frozen=True)
class SampledRanking(Term):
    """Items drawn for each micro-batch compete for a user."""

    n_candidates: int

    def draw(
        self, inputs: TrainInputs, batch: Batch, key: jax.Array, n_micro_batches: int
    ) -> Parts:
        n_items = inputs.model.item_degree.shape[0]
        items, first, places = draw_candidates(n_items, key, n_micro_batches, self.n_candidates)
        return Parts((items, first), places)

    def gather(self, step: StepEmbeddings, batch: Batch, drawn: Parts) -> Parts:
        return Parts(step.items(drawn.rows[0]))

    def loss(self, micro: MicroBatch, drawn: Parts, gathered: Parts) -> losses.Terms:
        items, bias = gathered.rows
        # Each of c drawn candidates stands for n_items / c items.
        n_items = micro.inputs.model.item_degree.shape[0]
        bias = bias + math.log(n_items / self.n_candidates)
        places = losses.ItemRows(drawn.shared, drawn.rows[1][0])
        return micro.rank_items(items, bias, item_rows=places)


@dataclasses.dataclass(frozen=True)
class InBatchRanking(Term):
    """The items of the micro-batch compete for a user."""

    def gather(self, step: StepEmbeddings, batch: Batch, drawn: Parts) -> Parts:
        return Parts(step.items(batch.items))

    def loss(self, micro: MicroBatch, drawn: Parts, gathered: Parts) -> losses.Terms:
        items, bias = gathered.rows
        return losses.in_batch_sincere_terms(
            micro.positive_scores(micro.pairs.item_bias),
            micro.local(micro.pairs.users),
            items,
            micro.exclude_items(micro.n_rows),
            micro.settings.temperature,
            candidate_bias=bias,
        )


@dataclasses.dataclass(frozen=True)
class BprRanking(Term):
    """One item drawn from all competes with each interaction's item."""

    def draw(
        self, inputs: TrainInputs, batch: Batch, key: jax.Array, n_micro_batches: int
    ) -> Parts:
        n_items = inputs.model.item_degree.shape[0]
        return Parts(jax.random.randint(key, batch.users.shape, 0, n_items))

    def gather(self, step: StepEmbeddings, batch: Batch, drawn: Parts) -> Parts:
        return Parts(step.items(drawn.rows))

    def loss(self, micro: MicroBatch, drawn: Parts, gathered: Parts) -> losses.Terms:
        negatives = micro.local(drawn.rows)
        is_positive = negatives == micro.local(micro.batch.items)
        if micro.settings.false_negatives == "history":
            users = micro.local(micro.batch.users)
            is_positive |= micro.inputs.history.contains(users, negatives)
        items, bias = map(micro.local, gathered.rows)
        users = micro.local(micro.pairs.users)
        scores = losses.pair_scores(users, items, micro.settings.temperature, bias)
        return losses.bpr_terms(micro.positive_scores(micro.pairs.item_bias), scores, ~is_positive)


@dataclasses.dataclass(frozen=True)
class UserRanking(Term):
    """The users of the micro-batch compete for an item."""

    def gather(self, step: StepEmbeddings, batch: Batch, drawn: Parts) -> Parts:
        return Parts(step.items(batch.items)[0])

    def loss(self, micro: MicroBatch, drawn: Parts, gathered: Parts) -> losses.Terms:
        return losses.in_batch_sincere_terms(
            micro.positive_scores(),
            micro.local(gathered.rows),
            micro.pairs.users,
            micro.exclude_users(micro.n_rows),
            micro.settings.temperature,
        )


@dataclasses.dataclass(frozen=True)
class CrossModal(Term):
    """Graph embeddings of users (column 0) or items (column 1) agree with their texts."""

    column: int

    def gather(self, step: StepEmbeddings, batch: Batch, drawn: Parts) -> Parts:
        nodes = (batch.users, step.model.n_users + batch.items)[self.column][batch.compared]
        graph = step.rows(step.table("graph"), nodes)
        return Parts((graph, step.rows(step.table("text"), nodes)))

    def loss(self, micro: MicroBatch, drawn: Parts, gathered: Parts) -> losses.Terms:
        graph, text = gathered.rows
        labels = (micro.batch.users, micro.batch.items)[self.column][: graph.shape[0]]
        return losses.cross_modal_terms(
            micro.local(graph),
            micro.local(text),
            graph,
            text,
            micro.local(labels),
            labels,
            micro.settings.temperature,
            direction=micro.settings.cross_modal_direction,
        )


@dataclasses.dataclass(frozen=True)
class IntraModal(Term):
    """Users and items of an interaction agree within one modality."""

    modality: Modality

    def gather(self, step: StepEmbeddings, batch: Batch, drawn: Parts) -> Parts:
        table = step.table(self.modality)
        ends = (batch.users[batch.compared], step.model.n_users + batch.items[batch.compared])
        return Parts(tuple(step.rows(table, end) for end in ends))

    def loss(self, micro: MicroBatch, drawn: Parts, gathered: Parts) -> losses.Terms:
        users, items = gathered.rows
        scores = losses.pair_scores(
            micro.local(users), micro.local(items), micro.settings.temperature
        )
        n_rows = users.shape[0]
        directions = [
            losses.in_batch_sincere_terms(
                scores,
                micro.local(anchors),
                candidates,
                exclude(n_rows),
                micro.settings.temperature,
            )
            for anchors, candidates, exclude in (
                (users, items, micro.exclude_items),
                (items, users, micro.exclude_users),
            )
        ]
        return (directions[0][0] + directions[1][0]) / 2, directions[0][1]


def build_terms(model: SymCERE) -> dict[str, tuple[float, Term]]:
    """Weight and term by name, of those that the settings of a model switch on."""
    settings = model.settings
    terms: dict[str, tuple[float, Term]] = {"ranking": (1.0, _ranking(settings, model.n_items))}
    terms["user_ranking"] = (settings.user_ranking_weight, UserRanking())
    if model.has_both_towers:
        chosen = settings.cross_modal_labels
        labels = ("user", "item") if chosen == "both" else (chosen,)
        for label in labels:
            weight = settings.cross_modal_weight / len(labels)
            terms[f"cross_modal_{label}"] = (weight, CrossModal(int(label == "item")))
    modalities: dict[Modality, bool] = {
        "graph": settings.graph_embeddings,
        "text": settings.text_encoder != NONE,
    }
    for modality, is_there in modalities.items():
        if is_there:
            name = f"intra_modal_{modality}"
            terms[name] = (settings.intra_modal_weight, IntraModal(modality))
    return {name: (weight, term) for name, (weight, term) in terms.items() if weight > 0}


def _ranking(settings: ResolvedSettings, n_items: int) -> Term:
    if settings.ranking_loss == "bpr":
        return BprRanking()
    if settings.candidates == "in_batch":
        return InBatchRanking()
    if settings.candidates == "sampled" and settings.sampled_candidates < n_items:
        return SampledRanking(settings.sampled_candidates)
    return CatalogRanking()
