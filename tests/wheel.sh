#!/bin/sh
# Starts what a wheel installed, away from the checkout: make wheel.
set -eu
bin=$(cd "$1" && pwd)/bin
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
unset PYTHONPATH
"$bin/python" - <<'PYTHON'
import importlib.metadata
import sys

import symcere_jax

assert "site-packages" in symcere_jax.__file__, symcere_jax.__file__
files = importlib.metadata.files("symcere-jax")
tops = {file.parts[0] for file in files if file.suffix == ".py"}
assert tops == {"symcere_jax"}, tops
PYTHON
"$bin/symcere" prepare --source=synthetic --output=data --synthetic_users=120 \
  --synthetic_items=50 --text_width=16
"$bin/symcere" check --dataset=data
"$bin/symcere" train --dataset=data --workdir=run --epochs=1 --n_layers=1 --cross_modal_weight=0 \
  --user_ranking_weight=0 --propagation=segment
"$bin/symcere" evaluate --dataset=data --workdir=run >/dev/null
"$bin/symcere" recommend --dataset=data --workdir=run --output=all.csv
test "$(wc -l < all.csv)" -gt 120
n=0
for command in $("$bin/symcere" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
  "$bin/symcere" "$command" --help >/dev/null
  n=$((n + 1))
done
test "$n" -gt 10
echo "the wheel works: $n commands"
