"""Verifies a prepared folder; the exit status is 0 if the folder is sound.

  python data_prep/check.py --dataset=data/shop

It checks checksums, columns, counts, the order of ids and reviews, and shapes and values of text
features. No held-out pair may be in train, the split must follow its policy (unless appended
reviews violated it), and no text feature may depend on a held-out review. The last check runs the
text encoder again, which takes as long as in the preparation; --noencode skips it.
"""

from pathlib import Path

from absl import flags

from symcere_jax.errors import DataError

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder to verify", required=True)
_ENCODE = flags.DEFINE_bool("encode", True, "compute the text features again, to find leaks")


def main() -> None:
    """Runs all checks and prints what each found."""
    from symcere_jax.data import ReviewDataset
    from symcere_jax.preparation.check import CHECKS, problems_of
    from symcere_jax.preparation.check.splits import check_text_leaks

    dataset = ReviewDataset.load(Path(_DATASET.value))
    checks = dict(CHECKS)
    if _ENCODE.value:
        checks["no held-out text in features"] = check_text_leaks
    notes = {}
    if ended := dataset.manifest.ended_split_policy:
        notes["split policy"] = f": {dataset.manifest.split_name}, not checked ({ended})"
    problems = []
    for name, check in checks.items():
        new_problems = problems_of(dataset, check)
        problems += new_problems
        print(f"{'FAILED' if new_problems else 'ok    '}  {name}{notes.get(name, '')}")
    if problems:
        raise DataError(f"{dataset.folder}: {len(problems)} problems: {'; '.join(problems)}")
