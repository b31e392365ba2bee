"""How a Keras model is trained and run: batches, callbacks, checkpoints, inference."""
