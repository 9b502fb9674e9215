"""From raw review files to a prepared folder.

    raw files ─ sources/        a reader for each raw format: one table of raw reviews, which knows
        │                       the file and line of every row
        ├── cleaning.py         ids present, ratings in range, split names known
        ├── filtering.py        one review a (user, item): the latest; then the k-core
        ├── splitting.py        train, valid, test
        ├── text encoder        symcere_jax.text: fitted on the training reviews, applied to all
        └── writing.py          the folder of symcere_jax/data/schema.py, complete or not at all

`pipeline.py` runs these stages; `prepare.py` is the binary. The split comes before anything is
fitted, so that nothing of a held-out review can reach a training feature. Equal input and equal
settings give an equal folder, byte for byte, whatever the order of the rows.
"""
