import torch

# Test tensors are tiny: a second thread only costs, and on a busy machine it costs tenfold.
torch.set_num_threads(1)
