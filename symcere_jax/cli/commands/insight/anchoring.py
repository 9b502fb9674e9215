r"""Semantic anchoring: does the similarity of reviews and items rest on facts or on sentiment?

  python launch/anchoring.py --dataset=data/shop --output=runs/anchoring \
    --runs=runs/shop,runs/shop_without_cross_modal

LIME explains a sample of reviews for each run and (unless --notext_model) for the untrained text
features. Then factual words are compared with words of sentiment, within each model and between
models. Classes of words come from the training reviews (information about the item,
correlation with the rating) and the VADER lexicon; for generated reviews, from the generator. Or
give your own lists, one word per line:

  python launch/anchoring.py --dataset=data/shop --runs=runs/shop \
    --factual_words=facts.txt --sentiment_words=sentiment.txt

Prints the tables; writes anchoring.md, anchoring.json and anchoring.svg. A hundred reviews of 180
words take about two minutes per model on two cores.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from symcere_jax.cli import field_flags
from symcere_jax.errors import ConfigError
from symcere_jax.folders import STUDIES, check_output_folder
from symcere_jax.settings import LimeSettings

if TYPE_CHECKING:
    from symcere_jax.data import ReviewDataset


_DATASET = flags.DEFINE_string("dataset", None, "prepared folder of the runs", required=True)
_RUNS = flags.DEFINE_list("runs", None, "workdirs of the runs, one or more", required=True)
_OUTPUT = flags.DEFINE_string("output", "anchoring", "folder to write the results to")
_AGAINST = flags.DEFINE_enum(
    "against", "graph", ("graph", "fused", "text"), "which embedding of the item to compare with"
)
_TEXT_MODEL = flags.DEFINE_bool("text_model", True, "also explain the text features alone")
_SPLIT = flags.DEFINE_enum("split", "test", ("train", "valid", "test"), "split of the reviews")
_REVIEWS = flags.DEFINE_integer("reviews", 100, "reviews to explain", 2)
_LIME = field_flags.define(LimeSettings)
_FACTUAL = flags.DEFINE_string("factual_words", None, "your own list of factual words")
_SENTIMENT = flags.DEFINE_string("sentiment_words", None, "your own list of sentiment words")


def main() -> None:
    """Explains the reviews and prints the tables."""
    from symcere_jax import explain
    from symcere_jax.cli.progress import counting_bar
    from symcere_jax.data import ReviewDataset
    from symcere_jax.evaluation.stored_scores import distinct_names
    from symcere_jax.report.anchoring_document import NAME, anchoring_document
    from symcere_jax.report.documents import write_document
    from symcere_jax.training import load_model

    output = Path(_OUTPUT.value)
    check_output_folder(output, _OUTPUT.name, *STUDIES)
    lime = field_flags.read(LimeSettings, _LIME)
    dataset = ReviewDataset.load(_DATASET.value)
    models = [load_model(run, dataset) for run in _RUNS.value]
    aligners = [
        explain.Aligner.from_model(name, trained, dataset, _AGAINST.value)
        for name, trained in zip(distinct_names(list(map(Path, _RUNS.value))), models, strict=True)
    ]
    if _TEXT_MODEL.value:
        encoder = models[0].metadata.settings.text_encoder
        aligners.append(explain.Aligner.from_text_features("text alone", dataset, encoder))
    classes, origin = _word_classes(dataset)
    classes, known = explain.drop_unknown_words(classes, aligners[0].encoder)
    rows = explain.sample_reviews(
        dataset, _SPLIT.value, _REVIEWS.value, classes=classes, seed=lime.seed
    )
    explanations = {}
    for aligner in aligners:
        with counting_bar("review", aligner.name) as show:
            reviews = explain.explain_reviews(aligner, dataset, rows, lime=lime, progress=show)
        explanations[aligner.name] = [review.words for review in reviews]
    anchoring = explain.summarize_anchoring(
        explanations,
        classes,
        dataset=dataset.name,
        split=_SPLIT.value,
        against=_AGAINST.value,
        word_classes=origin,
        known=known,
    )
    document = anchoring_document(anchoring)
    print(document.markdown())
    for path in write_document(document, anchoring, output, NAME):
        print(path)


def _word_classes(dataset: "ReviewDataset") -> tuple[Mapping[str, str], str]:
    """Classes of words, and where they come from."""
    from symcere_jax import explain
    from symcere_jax.preparation.sources import synthetic_truth as synthetic

    if _FACTUAL.value or _SENTIMENT.value:
        if not (_FACTUAL.value and _SENTIMENT.value):
            raise ConfigError("give both --factual_words and --sentiment_words, or neither")
        lists = (explain.read_words(Path(path)) for path in (_FACTUAL.value, _SENTIMENT.value))
        return explain.classes_of_lists(*lists), "lists given by the user"
    if dataset.manifest.source.get("kind") == "synthetic":
        planted = explain.classes_of_lists(synthetic.FACTUAL_WORDS, synthetic.SENTIMENT_WORDS)
        return planted, "those that the reviews were generated from"
    return explain.classes_of_dataset(dataset), explain.CLASSES_FROM_DATA
