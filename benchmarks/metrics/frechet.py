"""Fréchet distance of two sets of feature vectors, seen as two normal distributions."""

import numpy as np


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The squared Fréchet distance between the normal distributions of two sets: FID and FVD on their features.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))``, with the unbiased covariances. The last trace is the sum of the
    singular values of ``A B^T`` for any ``A^T A = C1``, ``B^T B = C2``. So no root of a matrix is taken: the result is
    exact and real, also with fewer vectors than features, where the usual root needs a correction.

    Args:
        first, second: [num_vectors, num_features], at least 2 vectors each.

    Raises:
        ValueError: the sets do not fit together, are too small, or hold a value that is not finite.
    """
    sets = [np.asarray(one, np.float64) for one in (first, second)]
    if any(one.ndim != 2 or len(one) < 2 for one in sets) or sets[0].shape[1] != sets[1].shape[1]:
        shapes = [one.shape for one in sets]
        raise ValueError(f"expected two sets [at least 2, num_features], got {shapes[0]} and {shapes[1]}")
    if not all(np.isfinite(one).all() for one in sets):
        raise ValueError("expected finite features, found NaN or infinity")
    means = [one.mean(axis=0) for one in sets]
    roots = [_root_of_covariance(one - mean) for one, mean in zip(sets, means, strict=True)]
    spreads = sum(float(np.sum(root**2)) for root in roots)
    shared = float(np.linalg.norm(roots[0] @ roots[1].T, ord="nuc"))
    return max(float(np.sum((means[0] - means[1]) ** 2)) + spreads - 2 * shared, 0.0)


def _root_of_covariance(centred: np.ndarray) -> np.ndarray:
    """``A`` with ``A^T A`` = covariance, [at most num_features, num_features]."""
    scaled = centred / np.sqrt(len(centred) - 1)
    if len(scaled) <= scaled.shape[1]:
        return scaled
    return np.asarray(np.linalg.qr(scaled, mode="r"))
