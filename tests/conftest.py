import torch

from tests.published_files import networks  # noqa: F401  (a fixture)

# Test tensors are tiny: a second thread only costs, and on a busy machine it costs tenfold.
torch.set_num_threads(1)
