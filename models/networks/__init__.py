"""Network architectures: pure modules with the published parameter names."""
