"""Benchmarks and metrics: what ``benchmark.py`` runs. A subcommand is a module whose ``run(arguments)`` does it all."""
