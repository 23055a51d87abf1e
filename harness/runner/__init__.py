"""Brings the cells of an experiment to completion: resume, training stages, answering, scoring, progress."""
