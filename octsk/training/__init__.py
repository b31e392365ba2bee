"""How a Keras model is trained and run: batches, callbacks, checkpoints, inference."""

from octsk.utils.tensorflow import start_tensorflow

# The modules of this package import TensorFlow, which is to load without its messages.
start_tensorflow()
