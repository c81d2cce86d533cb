"""Small real datasets that come with the packages of requirements.txt: ``python -m data.samples``."""
