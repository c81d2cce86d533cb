"""Optical flow: the backward warp and the estimators of reference flow."""
