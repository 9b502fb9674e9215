r"""Turns raw reviews into a prepared folder, which training and evaluation read.

From a table: CSV, TSV, JSON lines or Parquet, also compressed, also a folder of such files:

  python data_prep/prepare.py --source=table --input=reviews.csv.gz --output=data/shop \
    --user_field=customer --item_field=sku --text_field=body --k_core=5

From a known data set, by its flag file in configs/prepare/ (docs/data.md says where to get it):

  python data_prep/prepare.py --flagfile=configs/prepare/amazon_automotive.flags \
    --output=data/amazon_automotive

From a bucket (pip install 'symcere-jax[s3]'), the Hugging Face Hub (hf://…) or the web (https://…):

  python data_prep/prepare.py --source=table --input='s3://shop/*.parquet' --output=data/shop

With up to 2 % malformed rows, on a machine with little memory:

  python data_prep/prepare.py --source=amazon_2018 --input=raw/Books.json.gz --output=data/books \
    --on_bad_row=skip --max_bad_share=0.02 --memory=1GiB

Append new reviews to a folder (then train with --warm_start):

  python data_prep/prepare.py --append --source=table --input=new.csv.gz --output=data/shop

Generate reviews with a known truth, to try things out:

  python data_prep/prepare.py --source=synthetic --output=data/synthetic
"""

import time

from symcere_jax.cli import field_flags, startup
from symcere_jax.preparation.settings import PrepareSettings

_SETTINGS = field_flags.define(PrepareSettings)


def main() -> None:
    """Prepares the data and prints the summary."""
    from rich.console import Console

    from symcere_jax.preparation.pipeline import prepare
    from symcere_jax.preparation.summary import summary

    settings = field_flags.read(PrepareSettings, _SETTINGS)
    start = time.monotonic()
    dataset = prepare(settings, announce=startup.say)
    Console().print(summary(dataset.manifest, time.monotonic() - start))
    print(f"prepared folder: {dataset.folder}")
