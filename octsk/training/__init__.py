"""Training and inference of Keras models: batches, callbacks, checkpoints, precision."""

from octsk.utils.tensorflow import start_tensorflow

# The modules of this package import TensorFlow, which is to load without its messages.
start_tensorflow()
