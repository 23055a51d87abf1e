"""Shared and object storage through fsspec: a results folder kept in step with it, and data from it."""
