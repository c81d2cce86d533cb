"""What counts as noise, as an outline and as near in guided motion, on the CPU (``guided``) and on CUDA alike."""

# grey levels, and squared ones: below these, differences of guides and of frames are noise
NEGLIGIBLE_MISMATCH, NEGLIGIBLE_DISAGREEMENT = 4.0, 20.0
# pixels: of the window in which answers are judged, at half resolution; and of the blur that carries a correction away
# from outlines
WINDOW, REACH = 5, 4.0
# squared gradient of an outline that is believed in full, in steps of Sobel's filter; and what counts as no outline
CLEAR_OUTLINE, NO_OUTLINE = 1e4, 0.02
GOLDEN_RATIO = 0.61803399  # spreads the greys of labels
