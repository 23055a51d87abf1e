"""The product on a GPU that is not there: `pytest -m pretended_gpu`."""
