"""Settings of a training with little to compile and little to learn."""

QUICK = {
    "experts": "aligned",
    "epochs": 1,
    "embedding_dim": 8,
    "n_layers": 1,
    "batch_size": 256,
    "propagation": "segment",
    "cross_modal_weight": 0.0,
    "user_ranking_weight": 0.0,
}
