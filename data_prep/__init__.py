"""From raw review files to a prepared folder.

    raw files ── sources/           a kind of raw data each, on top of formats/ (JSON lines, …):
        │                           blocks of rows that know their file and line
        ├── ingesting.py            block by block: cleaning.py checks the values, text_cleaning.py
        │                           cleans the texts; bad_rows.py refuses, or skips and counts
        ├── store.py                all reviews on disk, in DuckDB
        ├── selection.py            one review a (user, item): the latest; then the k-core
        ├── split_policy.py         train, valid, test
        ├── writing.py              the files of symcere_jax/data/schema.py
        └── encoding.py             symcere_jax.text: fitted on training reviews, applied to all

`pipeline.py` runs these stages in an output_folder.py that is complete or not there; `prepare.py`
is the binary, `download.py` fetches raw files, and `check.py` verifies a folder. The split comes
before anything is fitted, so that nothing of a held-out review can reach a training feature. Equal
input and equal settings give an equal folder, byte for byte, whatever the order of the rows, the
number of threads, or the memory.

Texts and ids never lie in memory all at once. What does: a block of rows, the engine's share of
--memory, and a few bytes a review for the split.
"""
