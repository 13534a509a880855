"""The page of a run, made from the files of its folder and from nothing else."""

from sim.report.figures import headline_figure
from sim.report.page import write_page

__all__ = ["headline_figure", "write_page"]
